"""Who answers a call: each file a `Client` of `protocol.py`. SDKs and torch are imported when one is first used.

`sdks.py` (what the two SDKs share: how they are opened, and what their errors mean), `anthropic_api.py`,
`openai_api.py` (any server that speaks that protocol: vLLM, Ollama, LM Studio, OpenRouter, Azure), `embedding_api.py`
(the same servers' embeddings), `local.py` (a model in this process), `opening.py` (which of them, and what tells its
replies from those of others).
"""
