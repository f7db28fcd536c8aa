"""The command line. It parses, calls the workbench or the graph room, and prints; it holds no maths.

Comes in: arguments. Goes out: results on stdout (with `--json`, one JSON document and nothing else), progress on
stderr, exit codes 0 ok, 2 user error, 3 no feature explained, 130 interrupted, 1 bug. Nothing here imports torch until
a model is opened.

Reading order: `start.py` (the entry point), `main.py` (the application), `exits.py` (its exit codes), `options.py`
(options shared by commands), `trace.py` (trace, show), `bases.py` (trace --basis all), `intervene.py`, `prove.py` (a
whole graph put to test), `attention.py`, `group.py`, `average.py`, `weights.py`, `train.py` (train, harvest),
`dictionary.py`, `library.py` (library, features), `foreign.py` (library import, library export), `label.py`,
`explain.py` with `explain_options.py`, `diff.py`, `planted.py`, `page.py` (demo, serve), `organism.py` (train,
assemble, verify, hops), `organism_tables.py` and `organism_maps.py` (what verify prints), `organism_diff.py` (organism
diff), `organism_proof.py` (organism proof), `organism_supernodes.py` (organism supernodes), `progress.py`.
"""
