"""What a feature means: a rule that a program can run, found with no other model; scores beside their baselines.

Comes in: a feature library, and the model and dictionaries that it was built from. Goes out: a label for each feature
in the library's notes, of kind `input`, `output`, `both` or `obscure`, with its rule, its F1 on text that did not
choose it, and the F1 of another feature's rule. Labels of people are never touched, and are shown first.

Reading order: `config.py` (settings), `columns.py` (what a rule can ask of a token), `rules.py` (rules as text, and
run), `stack.py` (the best values of many columns at once), `search.py` (the best rule), `scores.py` (precision, recall,
F1), `ruling.py` (kinds, held-out scores, exchanged rules), `wording.py` (a rule in English), `firing.py` (where
features fire, and how strongly), `control.py` (what is asked; directions drawn at random beside it), `report.py`
(figures as data), `explain.py` (all of it, for a library). Knows nothing about circuits.
"""
