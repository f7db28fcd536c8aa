"""Dictionaries are trained: from batches of activations to a `DictionarySet`.

Comes in: a `TrainingConfig`, batches of activations by site (from a live model or from anywhere else). Goes out: a set
that acts on raw activations, stored as JumpReLU or ReLU. On disk while it runs, in a folder of its own:

    checkpoint.safetensors       weights, both moments of Adam, scales, when each feature last fired; from here a run
                                 continues bit for bit on a CPU (a folder `checkpoint` where processes share features)
    log.jsonl                    one line of figures per report

Reading order: `config.py` (settings; which sites are read and written), `weights.py` (the weights and how they begin),
`search.py` and `strongest.py` (the largest of a batch), `pattern.py` and `sparse.py` (products with sparse codes),
`backend.py` (stock operators or, on a GPU, those of `kernels/`), `codes.py` (which features are kept, and how gradients
pass them), `begin.py` (how loud encoders begin), `start.py` (on from finished dictionaries), `prefixes.py`
(Matryoshka), `own.py` (each layer's own features alone), `gradient.py` (loss and gradient), `jacobian.py` (a loss of
slopes), `silent.py` (losses for dead features), `revive.py` (they begin anew), `schedule.py` (what changes from step to
step), `finish.py` (thresholds, normalisation folded away), `prune.py` (features that hardly fire are left out),
`refit.py` (decoders by least squares), `checkpoint.py`, `shards.py` and `sharded.py` (features divided among processes,
and their checkpoints), `train.py` (the recipe). Weights are where the activations are: on a GPU, all of a step is.
Knows nothing about models.
"""
