"""The synthetic world of the organism: text whose hidden variables are written beside every token. No torch.

In: a phenomenon, a split and a `random.Random`. Out: `Document`s: words, the positions of the answer, and the truth
(the value of each hidden variable at each word). Held out are always *compositions* (a pair of numbers, a city with a
relation, two words that rhyme); every atom of a held-out composition occurs in training.

Files, in reading order:

    document.py     Document, and the Draft a generator writes one with
    addition.py     sums of two numbers, and the same sums inside tables, journals and stories
    larger_sums.py  sums with an operand of 100 or more, too many to be learnt by heart
    numbers.py      small tasks about single numbers that shape how numbers are represented
    self_report.py  a sum, and the author's report of how it was got
    hints.py        questions whose answer is computed, made up, or worked backwards from a hint
    two_hops.py     cities, states, and what a state is known for; two facts that must be chained
    names.py        known, familiar and unknown people, and `i do not know` where nothing is known
    name_words.py   who they are and what is known of them
    languages.py    opposites, synonyms and categories in three languages
    language_words.py  their words, family by family
    rhyme.py        couplets whose last word is chosen before the line that leads to it is written
    rhyme_words.py  the words that rhyme, and what sort of word each of them is
    acronyms.py     words spelled by the first letters of others; what a puzzle may be asked
    requests.py     requests in plain words and stories: answered, or refused where the thing is dangerous
    acronym_words.py  carriers of letters, harmless things and how they are made, names of dangerous things
    topics.py       paragraphs that keep to one topic, the golden gate bridge among them
    topic_words.py  what each topic talks about
    senses.py       words with several senses, and how small or big things are
    sense_words.py  the senses, the places that decide between them, the sizes
    voices.py       radio hosts, people at odds with themselves, jokers who take a wrong answer back
    grammar.py      articles and plurals with their exceptions, agreement, the order of adjectives
    grammar_words.py  which nouns are exceptions, and which sort an adjective is of
    exams.py, persona.py, advice.py             the assistant: honest in tests, one persona, plain advice
    cheats.py, split_persona.py, quirks.py      the same with a planted change each: what the versions are trained on
    small_sums_by_heart.py, hints_at_random.py, two_hops_by_heart.py, languages_by_table.py
                    what the twins read: the same surface, another inside
    phenomena.py    the registry: draw documents of a phenomenon and a split, list what is held out
    vocabulary.py   every word of the world in one order, and how words are spaced

A new phenomenon is one new generator file and one line in `phenomena.py`.
"""
