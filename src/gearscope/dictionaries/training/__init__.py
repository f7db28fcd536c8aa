"""Dictionaries are trained: from batches of activations to a `DictionarySet`.

Comes in: a `TrainingConfig`, batches of activations by site (from a live model or from anywhere else). Goes out: a set
that acts on raw activations, stored as JumpReLU. On disk while it runs, in a folder of its own:

    checkpoint.safetensors       weights, both moments of Adam, scales, when each feature last fired; from here a run
                                 continues bit for bit on a CPU
    log.jsonl                    one line of figures per report

Reading order: `config.py` (settings; which sites are read and written), `weights.py` (the weights and how they begin),
`strongest.py` (which features are kept), `sparse.py` (products with sparse codes), `gradient.py` (loss and gradient),
`revive.py` (dead features begin anew), `schedule.py` (learning rate, optimiser), `finish.py` (thresholds,
normalisation folded away), `refit.py` (decoders by least squares), `checkpoint.py`, `train.py` (the recipe). Knows
nothing about models.
"""
