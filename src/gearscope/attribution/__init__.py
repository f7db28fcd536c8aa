"""From one prompt to its attribution graph, exactly, with no autograd.

Comes in: a `FrozenPrompt` (models room), a `Replacement` of it (any basis) and targets. Goes out: an `AttributionGraph`
(graph room) whose rows sum to what they explain.

Reading order: `config.py` (settings), `targets.py` (what is explained), `rows.py` (the mathematics: one row of
attributions), `expand.py` (which features get rows: in order of influence), `matrix.py` (their rows as the graph's
edges), `effects.py` (the tokens a feature promotes), `routing.py` (the experts that were frozen), `attribute.py` (the
recipe). Then attention: `sources.py` (the nodes of sources, and what each writes), `heads.py` (every edge split by its
last head), `qk.py` (why a head looks where it does: its score by pairs of sources). Knows nothing about labels,
supernodes or files.
"""
