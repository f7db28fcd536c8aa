"""Named recipes: full settings of a training run, and the run itself.

Comes in: a recipe's name or a TOML file, single settings, a model, a corpus. Goes out: a folder of dictionaries with
their figures in its manifest. Knows nothing about the command line.

Reading order: `config.py` (what a recipe is; the recipes), `corpora.py` (text for a model, by name or path), `train.py`
(the run), `tune.py` (its end: dictionaries are tuned in their model), `harvest.py` (activations stored beforehand),
`grid.py` (many runs and their frontier), `picture.py` (it drawn), `metrics.py` (figures for TensorBoard), `again.py` (a
folder measured again), `library.py` (a feature library built and asked), `label.py` (labelled
and judged), `explain.py` (explained by a language model), `weights.py`
(the strongest inputs and outputs of one feature over text).
"""
