"""What a label is worth: a model that knows nothing but the label predicts what the feature does on text.

`material.py` (the stretches that all scorers use), `judging.py` (stretches judged one by one: the part that the next
two share), `detection.py` (does it fire in this stretch?), `fuzzing.py` (is it these tokens?), `simulation.py` (how
strongly on each token?), `intruder.py` (which of five is the odd one out?), `embedding.py` (is the label near the
stretches?), `figures.py` (balanced accuracy, correlation, AUROC), `registry.py` (all of them by name). Each has the
same questions asked of another feature's label: its baseline.
"""
