"""Folders of dictionaries, one file per format: is this one of mine, read it, write it.

Comes in: a folder, or a `DictionarySet` and a new folder. Goes out: a `DictionarySet` that acts on raw activations,
whatever the program that wrote it normalised, centred or gated; or a folder that the program opens. Whatever a format
has no place for is refused by name. Nothing is ever unpickled.

    format.py                what a format is
    registry.py              all of them, in the order in which a folder is tried: a new format is a file and a line
    own.py                   ours: `manifest.json`, every kind
    circuit_tracer.py        `config.yaml`: transcoders per layer and across layers, and the lists of files of others
    saelens.py               `cfg.json`, `sae_weights.safetensors`: SAEs and transcoders
    sparsify.py              `cfg.json`, `sae.safetensors`: TopK SAEs and transcoders by module
    dictionary_learning.py   `config.json`, `ae.pt`: SAEs, gated ones too
    gemma_scope.py           `params.npz`: the SAEs and transcoders of Gemma 2
    gemma_scope_2.py         `config.json`, `params*.safetensors`: those of Gemma 3, across layers too

Read first `format.py`, then `saelens.py`. `single.py` is what formats with one site in and one out share, `across.py`
what those across layers share, `files.py` opens safetensors and JSON, and `torch_zip.py` reads torch's own files as
data. Knows nothing about models.
"""
