"""What the two SDKs share: how they are opened, and what their errors mean. No torch.

Both come from one generator, and have the same names. They are given no tries of their own (`retry.py` has one way of
waiting for all), follow no redirect (text would go where nobody agreed to), and no proxy stands before this machine.
"""

import importlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NoReturn

from gearscope.errors import ConfigError
from gearscope.explainers.answers import clean_label
from gearscope.explainers.hosts import Host, Key
from gearscope.explainers.protocol import CallFailed, Usage
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


@contextmanager
def calls(package: Any, host: Host, key: Key) -> Generator[None]:
    """Turn what an SDK raises into CallFailed, or ConfigError where no call can succeed; the key is in neither."""
    try:
        yield
    except package.APIStatusError as error:
        failed = error
    except package.APITimeoutError:
        raise CallFailed("timed out", host.name, tries=_AS_LONG_AS_ALLOWED, billed=True) from None
    except package.APIConnectionError as error:
        what = clean_label(key.hidden_in(str(error.__cause__ or error)))
        raise CallFailed("no connection", f"{host.name}: {what}", tries=_AS_LONG_AS_ALLOWED) from None
    else:
        return
    # outside of the handler, so that the SDK's error (which holds the request, key included) is no context of ours
    _raise(failed.status_code, failed.response.headers, _told(failed.body, key), host, key)


def _raise(status: int, headers: Any, told: str, host: Host, key: Key) -> NoReturn:
    said = f"status {status}{': ' + told if told else ''}"
    if status in (401, 403):
        from_where = f"the key in {key.variable}" if key.given else "a call without a key (--key-from NAME gives one)"
        raise ConfigError(f"a host that takes {from_where} was expected at {host.name}", found=said)
    if status in (402, 404):
        raise ConfigError(f"a host that has this model and lets you use it was expected at {host.name}", found=said)
    if status == 429:
        raise CallFailed("rate limited", said, tries=_AS_LONG_AS_ALLOWED, after=seconds_asked(headers))
    if status >= 500 or status in (408, 409):
        raise CallFailed("server error", said, tries=_AS_LONG_AS_ALLOWED, after=seconds_asked(headers))
    raise CallFailed("bad request", said)


def _told(body: Any, key: Key) -> str:
    """What the host wrote of its error, in one line."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    message = inner.get("message", "") if isinstance(inner, dict) else inner
    return clean_label(key.hidden_in(message)) if isinstance(message, str) else ""


def body_of(response: Any, key: Key) -> dict[str, Any]:
    """The JSON object of a reply, in which no host can give the key back. Raises CallFailed (malformed)."""
    try:
        found = json.loads(key.hidden_in(response.http_response.text))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CallFailed("malformed", "a reply that is a JSON object was expected", tries=2, billed=True)
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
