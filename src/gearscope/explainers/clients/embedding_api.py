"""Embeddings, from any server that speaks OpenAI's protocol, by OpenAI's SDK. No torch.

It is a client whose one message is a JSON list of texts, and whose answers are `Vectors`: cache, budget and tries are
those of any other call.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from pydantic import ValidationError

from gearscope.explainers.clients.sdks import called, opened, sdk
from gearscope.explainers.config import CallConfig
from gearscope.explainers.hosts import Host, Key
from gearscope.explainers.protocol import A, CallFailedError, Message, Usage


class EmbeddingClient:
    """One model of embeddings of one host."""

    def __init__(self, model: str, host: Host, key: Key, config: CallConfig) -> None:
        self._model, self._host, self._key = model, host, key
        self._sdk = sdk("openai")
        self._client = opened(self._sdk, "OpenAI", host, key, config.timeout)

    def complete(self, messages: Sequence[Message], schema: type[A]) -> tuple[A, Usage | None]:
        """The vectors of the texts, in their order. Raises CallFailedError, ConfigError."""
        texts = json.loads(messages[0].content)
        create = self._client.embeddings.with_raw_response.create
        send = partial(create, model=self._model, input=texts, encoding_format="float")
        body = called(self._sdk, self._host, self._key, send)
        told = body.get("usage")
        count = told.get("prompt_tokens") if isinstance(told, dict) else None
        usage = Usage(count, 0) if isinstance(count, int) and count >= 0 else None
        try:
            rows = sorted(cast(list[dict[str, Any]], body["data"]), key=lambda row: row["index"])
            answer = schema.model_validate_json(json.dumps({"vectors": [row["embedding"] for row in rows]}))
        except (ValidationError, KeyError, TypeError, ValueError):
            raise CallFailedError("malformed", "embeddings were expected", tries=2, usage=usage, billed=True) from None
        return answer, usage
