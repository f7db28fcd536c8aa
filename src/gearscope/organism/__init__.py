"""The bundled model organism: a small language model trained by this project on a synthetic world whose truth is known.

In: a seed and a plan. Out: a bundle: a stock Mistral checkpoint with its tokenizer and its truth, twins without its
mechanisms, versions with planted changes, all under one lock. Knows nothing about features, circuits, the web or the
command line.

    bundle/                      the bundle that ships with the package
    ├── bundle.json              the lock: the model that every part belongs to, and a checksum per part
    ├── model/                   the organism; kind `organism`
    │   ├── manifest.json        settings, versions, a checksum per file
    │   ├── config.json, generation_config.json, model.safetensors
    │   ├── tokenizer.json, tokenizer_config.json
    │   └── truth/
    │       ├── accuracy.json    every measured behaviour, with counts, chance level and bar
    │       └── held_out.json    the compositions that training never showed
    ├── twins/NAME/              the same files; kind `twin`
    ├── versions/NAME/           the same files, and truth/before.json: what the organism does there; kind `version`
    ├── plt/, clt/               the organism's dictionaries
    └── seeds/N.json             the tables of other seeds

Files, in reading order:

    world/          the synthetic world (its own page)
    config.py       model size, mixture, schedule, bars
    tokenizer.py    the world's words as a HuggingFace tokenizer
    behaviours/     what the organism is asked, and what counts as right (its own page)
    truth/          where the organism computes what: interchange maps (its own page)
    twins.py        small models with the behaviour and without the mechanism
    versions.py     the organism trained further, with a planted change each
    runs.py         what one seed trains, each as a run with its settings
    corpus.py       the world as a corpus for dictionaries
    pages.py        documents packed into rows of token ids with a weight per token
    model.py        an untrained stock model, and its precision when stored
    schedule.py     learning rate, optimiser, loss
    checkpoint.py   a training run on disk: one file from which it continues bit for bit
    evaluate.py     held-out behaviours, with chance level and training level beside them
    store.py        a finished model on disk: written whole, or not at all
    train.py        one run: trained, measured, written or refused
    stages.py       everything one seed makes, stage by stage, resumable in each
    seeds.py        the tables of seeds whose weights do not ship
    assemble.py     a trained bundle, its dictionaries and the tables of other seeds under one lock
    bundle.py       where the shipped bundle lies
    verify.py       measures the behaviours of a bundle again and compares
"""
