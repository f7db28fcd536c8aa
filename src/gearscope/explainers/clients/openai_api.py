"""Any server that speaks OpenAI's chat completions, by OpenAI's SDK. No torch."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from gearscope.explainers.answers import in_words
from gearscope.explainers.clients.sdks import answer_in, called, cut_off, opened, sdk, usage_of
from gearscope.explainers.config import CallConfig
from gearscope.explainers.hosts import Host, Key
from gearscope.explainers.protocol import A, CallFailedError, Message, Usage

_OWN = (".openai.com", ".openai.azure.com")
"""Hosts whose newer models count thoughts and text together, under another name than the rest of the world's."""


class OpenAIClient:
    """One model of one host."""

    def __init__(self, model: str, host: Host, key: Key, config: CallConfig) -> None:
        self._model, self._host, self._key, self._config = model, host, key, config
        self._sdk = sdk("openai")
        self._client = opened(self._sdk, "OpenAI", host, key, config.timeout)

    def complete(self, messages: Sequence[Message], schema: type[A]) -> tuple[A, Usage | None]:
        """Ask once. Raises CallFailedError, ConfigError."""
        request = self._request(messages, schema)
        send = partial(self._client.chat.completions.with_raw_response.create, **request)
        body = called(self._sdk, self._host, self._key, send)
        usage = usage_of(body, "prompt_tokens", "completion_tokens")
        choice = _first(body.get("choices"))
        message = choice.get("message")
        message = message if isinstance(message, dict) else {}
        if message.get("refusal") or choice.get("finish_reason") == "content_filter":
            raise CallFailedError("refused", usage=usage, billed=True)
        if choice.get("finish_reason") == "length":
            raise cut_off(self._config.max_tokens, usage)
        return answer_in(message.get("content"), schema, usage, self._key), usage

    def _request(self, messages: Sequence[Message], schema: type[A]) -> dict[str, Any]:
        form, turns = self._config.structured, [message._asdict() for message in messages]
        if form != "schema":
            turns[0]["content"] += "\n\n" + in_words(schema)
        own = f".{self._host.name}".endswith(_OWN)
        told: dict[str, Any] = {
            "model": self._model,
            "messages": turns,
            "max_completion_tokens" if own else "max_tokens": self._config.max_tokens,
        }
        if form == "schema":
            named = {"name": schema.__name__, "schema": schema.model_json_schema(), "strict": True}
            told["response_format"] = {"type": "json_schema", "json_schema": named}
        elif form == "object":
            told["response_format"] = {"type": "json_object"}
        if self._config.temperature is not None:
            told["temperature"] = self._config.temperature
        return told


def _first(choices: Any) -> dict[str, Any]:
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
