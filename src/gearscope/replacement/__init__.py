"""The local replacement model of one prompt: its MLPs rewritten in a basis of features, everything else frozen.

Comes in: a `FrozenPrompt` (models room) and a basis. Goes out: a `Replacement`, which names the active features of the
prompt, what each reads and writes, what the basis failed to reconstruct, and the biases that belong to nobody.

Reading order: `replacement.py` (the one interface every basis answers to), `neurons.py` (the MLP's own neurons: no
training, no error), `coded.py` (transcoders, per layer or across layers, with their errors), `linear_mlp.py` (an MLP as
a frozen linear map), `sae.py` (sparse autoencoders on MLP outputs or on the residual stream). Knows nothing about
targets, graphs or labels.
"""
