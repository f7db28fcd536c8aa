"""What the two SDKs share: how they are opened, and what their errors mean. No torch.

Both come from one generator, and have the same names. They are given no tries of their own (`retry.py` has one way of
waiting for all), follow no redirect (text would go where nobody agreed to), and no proxy stands before this machine.
"""

import importlib
import json
from collections.abc import Callable
from typing import Any

from gearscope.errors import ConfigError
from gearscope.explainers.answers import clean_label, read_answer
from gearscope.explainers.hosts import Host, Key
from gearscope.explainers.protocol import A, CallFailedError, Usage
from gearscope.explainers.retry import seconds_asked

_AS_LONG_AS_ALLOWED = 99
_CONNECT_SECONDS = 10.0


def sdk(name: str) -> Any:
    """The package of an SDK. Raises ConfigError naming the extra."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = "install it with: pip install 'gearscope[labels]'"
        raise ConfigError(f"the package {name} was expected for --provider {name}", found="none", hint=hint) from error


def opened(package: Any, client: str, host: Host, key: Key, timeout: float, **more: Any) -> Any:
    """The SDK's client for a host."""
    limits = package.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
    http = package.DefaultHttpxClient(follow_redirects=False, timeout=limits, trust_env=not host.is_here)
    return getattr(package, client)(
        api_key=key.reveal(), base_url=host.url, timeout=limits, max_retries=0, http_client=http, **more
    )


def called(package: Any, host: Host, key: Key, send: Callable[[], Any]) -> dict[str, Any]:
    """The JSON object that a host replies. Raises CallFailedError, or ConfigError where no call can succeed.

    Nothing is raised while the SDK's error is at hand: it holds the request with the key, and would be its context.
    """
    try:
        response = send()
    except package.APIStatusError as error:
        failure = _failure(error.status_code, error.response.headers, _told(error.body, key), host, key)
    except package.APITimeoutError:
        failure = CallFailedError("timed out", host.name, tries=_AS_LONG_AS_ALLOWED, billed=True)
    except package.APIConnectionError as error:
        what = clean_label(key.hidden_in(str(error.__cause__ or error)))
        sent = type(error.__cause__).__name__ != "ConnectError"
        failure = CallFailedError("no connection", f"{host.name}: {what}", tries=_AS_LONG_AS_ALLOWED, billed=sent)
    else:
        return _body(response)
    raise failure


def answer_in(text: Any, schema: type[A], usage: Usage | None, key: Key) -> A:
    """The answer in what a model wrote, in which no host can give the key back. Raises CallFailedError (malformed)."""
    answer = read_answer(text if isinstance(text, str) else "", schema, usage)
    told = answer.model_dump_json()
    hidden = key.hidden_in(told)
    return answer if hidden == told else schema.model_validate_json(hidden)


def cut_off(max_tokens: int, usage: Usage | None) -> CallFailedError:
    """The reply reached its greatest length: often because the model thought for that long."""
    told = f"at {max_tokens:,} tokens; more with --set max_tokens={4 * max_tokens}"
    return CallFailedError("cut off", told, usage=usage, billed=True)


def _failure(status: int, headers: Any, told: str, host: Host, key: Key) -> Exception:
    """What a status means."""
    said = f"status {status}{': ' + told if told else ''}"
    if status in (401, 403):
        from_where = f"the key in {key.variable}" if key.given else "a call without a key (--key-from NAME gives one)"
        return ConfigError(f"a host that takes {from_where} was expected at {host.name}", found=said)
    if status in (402, 404):
        return ConfigError(f"a host that has this model and lets you use it was expected at {host.name}", found=said)
    if status == 429:
        return CallFailedError("rate limited", said, tries=_AS_LONG_AS_ALLOWED, after=seconds_asked(headers))
    if status >= 500 or status in (408, 409):
        return CallFailedError("server error", said, tries=_AS_LONG_AS_ALLOWED, after=seconds_asked(headers))
    return CallFailedError("bad request", said)


def _told(body: Any, key: Key) -> str:
    """What the host wrote of its error, in one line."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    message = inner.get("message", "") if isinstance(inner, dict) else inner
    return clean_label(key.hidden_in(message)) if isinstance(message, str) else ""


def _body(response: Any) -> dict[str, Any]:
    """The JSON object of a reply. Raises CallFailedError (malformed)."""
    try:
        found = json.loads(response.http_response.text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CallFailedError("malformed", "a reply that is a JSON object was expected", tries=2, billed=True)
    return found


def usage_of(body: dict[str, Any], input_name: str, output_name: str) -> Usage | None:
    """The tokens that a reply says it took; None where it does not say."""
    told = body.get("usage")
    if not isinstance(told, dict):
        return None
    counts = [told.get(name) for name in (input_name, output_name)]
    if not all(isinstance(count, int) and 0 <= count < 10**9 for count in counts):
        return None
    return Usage(*counts)
