"""What language models say features mean, asked for on request, and how far that is right; beside a baseline.

Comes in: a feature library, a language model (Anthropic's API, any OpenAI-compatible one, or a folder on this disk),
and for scores the library's own model. Goes out: labels in the library's notes, of method `llm`, each with its
provenance and scores; a report of calls, failures, tokens and cost. On disk, beside the library's files:

    LIBRARY/replies/ab/abcd….json     one reply each, under the hash of its whole request; no prompt and no key in it

A reply that did not come, or was not of its schema, is nothing: it is counted, and never scored. Text of the corpus is
data in a prompt, and what comes back is only ever read by a schema.

Reading order: `config.py` (settings), `protocol.py` (one call: messages and a schema in, an answer and its usage out),
`answers.py` (text read by a schema), `hosts.py` (where a call goes, which key, who agreed), `clients/` (who answers),
`replies.py` (the cache), `budget.py`, `retry.py`, `pool.py`, `caller.py` (all of these around a call), `dry.py` (the
same, sending nothing), `passages.py` (stretches of text), `evidence.py` (what is known of a feature), `prompts.py`
(the three explainers), `agent.py` (one that tests what it says), `scorers/` (what a label is worth), `storing.py`
(labels and scores in the notes), `report.py`, `run.py` (what a run has), `scoring.py`, `explain.py` (the recipe).
Knows nothing about rules and circuits.
"""
