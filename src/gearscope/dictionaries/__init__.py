"""Sparse coders, all of them one thing: a dictionary with a choice of sites that it reads and sites that it writes.

Comes in: activations at named sites, or a folder. Goes out: a `DictionarySet`, whose codes are sparse triples (row,
column, value) and whose reconstructions are what they write. On disk, our own folder:

    manifest.json            kind "dictionary", a configuration per dictionary, checksums
    layer_0.safetensors      W_enc [F, R, D], b_enc [F], W_dec [F, S, D], b_dec [S, D], threshold [F], W_skip [D, D],
                             and, where they were measured, max_activation [F] and density [F] of the features
    layer_1.safetensors      ...

circuit-tracer's (`config.yaml` with `layer_0.safetensors` ... or `W_enc_0.safetensors`, `W_dec_0.safetensors` ...),
and, read only, SAELens' (`cfg.json` with `sae_weights.safetensors`, or a folder of such folders).

Reading order: `config.py` (what a dictionary is, without weights), `selection.py` (which features are active),
`dictionary.py` (the weights and the arithmetic), `collection.py` (one dictionary per layer of a model), `foreign.py`
(circuit-tracer's names and shapes), `saelens.py` (SAELens'), `store.py` (folders), `fidelity.py` (how well they write
what they should), `training/` (a page of its own). Knows nothing about models, prompts or graphs.
"""
