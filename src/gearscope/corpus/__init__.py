"""Text to windows of token ids, streamed: memory does not grow with the text.

Comes in: files of text (`.txt`, `.jsonl` with a `text` in each line, `.parquet` with a column `text`) or a data set on
the HuggingFace hub, and a function from text to ids. Goes out: windows of one length, from any place on, so that a run
continues exactly where it stopped. Knows nothing about models.

Reading order: `windows.py` (what a corpus is; pieces of text packed into windows; what is held out), `store.py` (pieces
of text out of files), `streamed.py` (pieces of text from the hub).
"""
