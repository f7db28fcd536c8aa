"""Sparse coders, all of them one thing: a dictionary with a choice of sites that it reads and sites that it writes.

Comes in: activations at named sites, or a folder, ours or of another program. Goes out: a `DictionarySet`, whose codes
are sparse triples (row, column, value) and whose reconstructions are what they write.

Reading order: `config.py` (what a dictionary is, without weights), `selection.py` (which features are active),
`dictionary.py` (the weights and the arithmetic), `collection.py` (one dictionary per layer of a model), `formats/`
(folders of every known format, a page of its own), `store.py` (which format a folder has; in, out, and to the hub),
`hub.py` (names on the hub), `card.py` (their pages there), `fidelity.py` (how well they write what they should),
`training/` (a page of its own). Knows nothing about models, prompts or graphs.
"""
