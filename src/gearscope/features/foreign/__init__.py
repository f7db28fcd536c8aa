"""Libraries in other programs' formats, read and written (decision 0021).

Comes in: a folder or file of a stranger. Goes out: a library that says what its source says and nothing more, or a
folder that other programs read. In reading order: `files.py` (bounded JSON, values taken by name and checked),
`parsed.py` (a feature, an example, a label, whatever they were read from), `saedashboard.py` and `neuronpedia.py`
(two formats to these), `assemble.py` (these to the files of a library), `take.py` (the import); `naming.py` (what
features, sources and examples are called elsewhere), `dump.py`, `upload.py`, `packed.py`, `table.py` (four formats
written), `give.py` (the export). Nothing here needs torch; `table.py` needs pyarrow.
"""
