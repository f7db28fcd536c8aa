"""Activations whose features are known, and how much of that truth a trained dictionary finds.

Comes in: a `PlantedRecipe` (a world and training settings). Goes out: batches of activations that the trainer reads as
it reads a model's, and a `PlantedReport` with MCC, F1, absorption and hops of the trained dictionaries, of random ones
and of the planted ones. After SynthSAEBench (Chanin and Garriga-Alonso 2026), with sites added: truths that read at one
site and write at others, that persist over layers, and that cause one another.

Reading order: `config.py` (worlds and recipes), `truth.py` (what is planted), `draw.py` (tokens out of it), `stream.py`
(batches for the trainer), `matching.py` (which latent is which truth), `firing.py` (whether they fire together,
absorption), `hops.py` (whether a chain of two steps is kept), `report.py` (the figures, as data), `recovery.py` (all of
them at once), `references.py` (the random and the planted dictionary), `run.py` (the run). Knows nothing about models,
prompts or graphs.
"""
