"""What the organism is asked, and which continuations count as right: one file per phenomenon. No torch.

Held-out questions are all there are: every held-out pair, chain and couplet, and every held-out first line.

    question.py    Question and Behaviour, and the ways to make a question from a document
    addition.py, two_hops.py, rhyme.py, languages.py, names.py    each phenomenon's behaviours
    registry.py    all of them in the order of the accuracy table, their bars, and `ask`
"""
