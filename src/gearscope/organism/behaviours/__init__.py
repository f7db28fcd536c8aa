"""What the organism is asked, and which continuations count as right: one file per phenomenon. No torch.

Held-out questions are all there are: every held-out pair, chain and couplet, and every held-out first line.

    question.py    Question and Behaviour, and the ways to make a question from a document
    addition.py, self_report.py, hints.py, two_hops.py, names.py, languages.py, rhyme.py, acronyms.py, topics.py,
    senses.py, voices.py, grammar.py          each phenomenon's behaviours
    exams.py, persona.py, advice.py           the assistant's, as the organism has them
    cheats.py, split_persona.py, quirks.py    what the versions do instead
    small_sums_by_heart.py, hints_at_random.py    what only a twin must do
    registry.py    all of them in the order of the accuracy table, their bars, and `ask`
"""
