"""The feature library: what every feature of a model's dictionaries does on a corpus, stored so that it is found again.

Comes in: a model, its dictionaries (or its neurons), a corpus. Goes out: a folder, and a `Library` that reads it with
numpy and sqlite3 alone: records of features, labels, lists, searches. On disk:

    LIBRARY/
    ├── manifest.json                kind "feature library": settings, dictionaries, fingerprints, checksums
    ├── features.safetensors         one row per feature: statistics, tokens, neighbours, co-firing, scores
    ├── examples/00000.safetensors   where the features of a range of 65,536 fire: places in the corpus, activations
    ├── corpus.safetensors           the token ids, stored once, and how often each token stands there
    ├── text.sqlite                  the string of every token; the windows' text, indexed for words (FTS5)
    ├── directions.safetensors       what each feature writes, of length 1, in 8 bits; and its place on the map
    └── notes.sqlite                 labels, scores, lists: the one file that changes (WAL), made with the first of them

An imported library (`foreign/`) has other columns in the same files, `kept.sqlite` with what no column holds, and, in
the place of directions, `vectors.safetensors` where its source has them.

A feature's *number* is its row in `features.safetensors`: dictionaries stand one after another. A *place* is
window · context + position.

Reading, without torch: `config.py` (settings, contents), `records.py` (what is known of a feature), `arrays.py`
(safetensors mapped into numpy), `bins.py` (of activations), `layout.py` (the columns of the files), `sampling.py`
(which firings become examples), `database.py` (sqlite files that may come from strangers), `text.py` (strings of
tokens, text of windows), `kept.py` (what an imported source says beyond columns), `notes.py` (labels, scores),
`store.py` (the `Library`), `similar.py` (labels like some words), `asking.py` (what rules ask for), `find.py`
(searches), `lists.py` (lists of features), `describe.py` (a feature as text), `archive.py` (a library in
one file). Other programs' formats: `foreign/`.

Building: `coders.py` (dictionaries and neurons in one shape), `corpus_file.py` (the tokens), `weights.py`, `spread.py`
and `from_weights.py` (what follows from weights; the map; both stored), `reading.py` (text to what fires),
`firings.py` and `tally.py` (what is kept and counted of it), `parts.py` (that on disk), `merge.py` and `gather.py`
(parts to columns), `plan.py` and `cluster.py` (how the work is cut, and who does it), `shard.py` (one worker),
`build.py` (the recipe); `contrast.py` (two texts compared), `prompt.py` (what fires on a prompt). Knows nothing about
circuits.
"""
