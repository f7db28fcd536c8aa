"""The bundled model organism: a small language model trained by this project on a synthetic world whose truth is known.

In: a seed and an `OrganismConfig`. Out: a bundle folder with a stock Mistral checkpoint, its tokenizer and its truth.
Knows nothing about features, circuits, the web or the command line.

    bundle/model/                the bundle that ships with the package
    ├── manifest.json            kind `organism`: settings, versions, a checksum per file
    ├── config.json, generation_config.json, model.safetensors
    ├── tokenizer.json, tokenizer_config.json
    └── truth/
        ├── accuracy.json        every measured behaviour, with counts, chance level and bar
        └── held_out.json        the compositions that training never showed

Files, in reading order:

    world/          the synthetic world (its own page)
    config.py       model size, mixture, schedule, bars
    tokenizer.py    the world's words as a HuggingFace tokenizer
    behaviours/     what the organism is asked, and what counts as right (its own page)
    truth/          where the organism computes what: interchange maps (its own page)
    corpus.py       the world as a corpus for dictionaries
    pages.py        documents packed into rows of token ids with a weight per token
    model.py        an untrained stock model, and its precision when stored
    schedule.py     learning rate, optimiser, loss
    checkpoint.py   a training run on disk: one file from which it continues bit for bit
    train.py        the recipe: from a seed to a bundle
    versions.py     fine-tunes with a planted change each, and the control: what they read, what is planted
    evaluate.py     held-out behaviours, with chance level and training level beside them
    store.py        a finished bundle on disk: written whole, or not at all
    bundle.py       where the shipped bundle lies
    verify.py       measures the behaviours of a bundle again and compares
"""
