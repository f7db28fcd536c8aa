"""From one prompt to its attribution graph, exactly, with no autograd.

Comes in: a `FrozenPrompt` (models room), a `Replacement` of it (any basis) and targets. Goes out: an `AttributionGraph`
(graph room) whose rows sum to what they explain.

Reading order: `config.py` (settings), `targets.py` (what is explained), `rows.py` (the mathematics: one row of
attributions), `kept.py` (rows while they are needed), `expand.py` (which features get rows: in order of influence),
`matrix.py` (their rows as the graph's edges), `effects.py` (the tokens a feature promotes), `routing.py` (the experts
that were frozen), `memory.py` (what will not fit), `attribute.py` (the recipe), `opened.py` (error nodes divided among
neurons), `probes.py` (directions that a user brings, from files), `asked.py` (targets as users name them). Then
attention: `sources.py` (the nodes of sources, and what each writes), `heads.py` (every edge split by its last head),
`qk.py` (why a head looks where it does: its score by pairs of sources). Many prompts: `prompts.py` (from a file or a
template; torch-free), `many.py` (their graphs, averaged). Over all prompts: `virtual.py` (weights between features),
`coactive.py` (how features fire together), `weights.py` (the report; torch-free), `global_weights.py` (its recipe).
Knows nothing about labels or supernodes.
"""
