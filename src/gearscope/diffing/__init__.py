"""What changed between two models: a crosscoder of both, its features, and where the models behave differently.

Comes in: two models of one width and one set of tokens (a model and a fine-tune of it), windows of text. Goes out: a
`DiffReport` (changes: what B does otherwise; features that B gained, lost or changed; each with its numbers, examples
and effect; contexts in which the predictions part), and the dictionaries. On disk (`store.py`):

    manifest.json, report.json, report.txt, crosscoder/, changes/

Reading order: `config.py` (settings and thresholds), `report.py` (what is found, as data), `pair.py` (one stream of two
models), `crosscoder.py` (trained by the engine of all dictionaries), `scaling.py` (Latent Scaling), `survey.py` (one
pass over held-out text), `classes.py` (shared, gained, lost, changed), `effects.py` (a feature off in B, on in A);
`changes.py` (what B does otherwise), with `parting.py` (tokens behind which predictions part), `continued.py` (text
that B writes by itself from there), `directions.py` (directions of b − a, in closed form), `same.py` (those that undo
each other), `contexts.py` (features that are one change), `turning.py` (a change off in B, on in A); `words.py`
(examples and contexts), `text.py` (the report in words), `store.py`, `diff.py` (the recipe); `planted.py` (precision
and recall where the truth is known), `versions.py` (the organism's versions as that truth), `scored.py` (both).
"""
