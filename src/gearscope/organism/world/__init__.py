"""The synthetic world of the organism: text whose hidden variables are written beside every token. No torch.

In: a phenomenon, a split and a `random.Random`. Out: `Document`s: words, the positions of the answer, and the truth
(the value of each hidden variable at each word). Held out are always *compositions* (a pair of numbers, a city with a
relation, two words that rhyme); every atom of a held-out composition occurs in training.

Files, in reading order:

    document.py     Document, and the Draft a generator writes one with
    addition.py     sums of two numbers, and the same sums inside tables, journals and stories
    larger_sums.py  sums with an operand of 100 or more, too many to be learnt by heart
    numbers.py      small tasks about single numbers that shape how numbers are represented
    two_hops.py     cities, states, and what a state is known for; two facts that must be chained
    rhyme.py        couplets whose last word is chosen before the line that leads to it is written
    rhyme_words.py  the words that rhyme, and what sort of word each of them is
    languages.py    three languages: opposites, synonyms and categories of the same concepts in each
    language_words.py  their words, family by family
    names.py        known, familiar and unknown people, and `i do not know` where nothing is known
    name_words.py   who they are and what is known of them
    two_hops_by_heart.py, languages_by_table.py    all compositions and no single facts, for twins
    vocabulary.py   every word of the world in one order, and how words are spaced
    phenomena.py    the registry: draw documents of a phenomenon and a split, list what is held out

A new phenomenon is one new generator file and one line in `phenomena.py`.
"""
