"""Anthropic's Messages API, by its SDK. No torch."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from gearscope.explainers.answers import in_words
from gearscope.explainers.clients.sdks import answer_in, called, cut_off, opened, sdk, usage_of
from gearscope.explainers.config import CallConfig
from gearscope.explainers.hosts import Host, Key
from gearscope.explainers.protocol import A, CallFailedError, Message, Usage


class AnthropicClient:
    """One model of one host."""

    def __init__(self, model: str, host: Host, key: Key, config: CallConfig) -> None:
        self._model, self._host, self._key, self._config = model, host, key, config
        self._sdk = sdk("anthropic")
        self._client = opened(self._sdk, "Anthropic", host, key, config.timeout)

    def complete(self, messages: Sequence[Message], schema: type[A]) -> tuple[A, Usage | None]:
        """Ask once. Raises CallFailedError, ConfigError."""
        request = self._request(messages, schema)
        send = partial(self._client.messages.with_raw_response.create, **request)
        body = called(self._sdk, self._host, self._key, send)
        usage = usage_of(body, "input_tokens", "output_tokens")
        if body.get("stop_reason") == "refusal":
            raise CallFailedError("refused", usage=usage, billed=True)
        if body.get("stop_reason") in ("max_tokens", "model_context_window_exceeded"):
            raise cut_off(self._config.max_tokens, usage)
        content = body.get("content")
        parts = content if isinstance(content, list) else []
        texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
        return answer_in("".join(text for text in texts if isinstance(text, str)), schema, usage, self._key), usage

    def _request(self, messages: Sequence[Message], schema: type[A]) -> dict[str, Any]:
        by_schema = self._config.structured == "schema"
        system = [message.content for message in messages if message.role == "system"]
        if not by_schema:
            system.append(in_words(schema))
        told: dict[str, Any] = {
            "model": self._model,
            "max_tokens": self._config.max_tokens,
            "system": "\n\n".join(system),
            "messages": [message._asdict() for message in messages if message.role != "system"],
        }
        if by_schema:
            told["output_config"] = {"format": {"type": "json_schema", "schema": schema.model_json_schema()}}
        if self._config.temperature is not None:
            told["extra_body"] = {"temperature": self._config.temperature}
        return told
