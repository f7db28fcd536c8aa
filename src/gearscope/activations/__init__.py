"""A model reads a corpus: shuffled batches of what stands at its sites.

Comes in: a `Model`, a `Corpus`, names of sites. Goes out: batches of activations [tokens, sites, width], all sites from
one forward pass, from any place on. Knows nothing about what is learnt from them.

Reading order: `config.py` (how much is read at a time), `gelu.py` (one operator in place of several), `harvest.py`
(activations of some windows), `blocks.py` (batches out of blocks), `stream.py` (blocks read from a model, shuffled),
`cache.py` (the same, stored).
"""
