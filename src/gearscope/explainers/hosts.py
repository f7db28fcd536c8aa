"""Where calls go, which key goes with them, and whether the user agreed that text does. No torch.

A key is read from the environment, and given only to the host that it was named for: another --base-url gets none
unless --key-from names its variable. Addresses of this machine are asked about like others: behind them may be a
tunnel.
"""

import ipaddress
import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from gearscope.errors import ConfigError
from gearscope.explainers.config import Provider

OFFICIAL = {"anthropic": "https://api.anthropic.com", "openai": "https://api.openai.com/v1"}
VARIABLES = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
NO_KEY = "no-key"
"""What the SDKs send where there is none: they insist on something."""
_SHORTEST_KEY = 8


class Host(NamedTuple):
    """An address that holds no secret."""

    url: str
    name: str
    """Host and port, as they are shown and stored."""
    official: bool
    is_here: bool
    """Whether it is this machine, or says so."""


class Key:
    """A key of an API. Printing it tells where it came from; nothing here writes it."""

    def __init__(self, value: str | None, variable: str | None) -> None:
        self._value, self.variable = value, variable

    def __repr__(self) -> str:
        return f"Key({'none' if self._value is None else f'from {self.variable}'})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("keys are not stored")

    @property
    def given(self) -> bool:
        """Whether there is one."""
        return self._value is not None

    def reveal(self) -> str:
        """What the SDK is to send."""
        return NO_KEY if self._value is None else self._value

    def hidden_in(self, text: str) -> str:
        """A text that the host wrote, without the key: hosts may echo it."""
        if self._value is None or len(self._value) < _SHORTEST_KEY:
            return text
        return text.replace(self._value, "[key]")


def host_of(provider: Provider, base_url: str | None) -> Host:
    """The address to call. Raises ConfigError for one that is none, or that carries a password or a query."""
    url = (OFFICIAL[provider] if base_url is None else base_url).rstrip("/")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError("a --base-url such as http://127.0.0.1:8000/v1 was expected", found="another") from error
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        hint = "keys belong into an environment variable (--key-from NAME)"
        raise ConfigError("a --base-url without password, query and fragment was expected", found="one", hint=hint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("a --base-url such as http://127.0.0.1:8000/v1 was expected", found=repr(url)[:100])
    name = parts.hostname if port is None else f"{parts.hostname}:{port}"
    return Host(url, name, url == OFFICIAL[provider], _is_here(parts.hostname))


def key_for(provider: Provider, host: Host, variable: str | None) -> Key:
    """The key to send. Raises ConfigError when it is missing, or would be sent unencrypted to another machine."""
    if variable is None and not host.official:
        return Key(None, None)
    name = VARIABLES[provider] if variable is None else variable
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
        raise ConfigError("the name of an environment variable was expected in --key-from", found="something else")
    value = os.environ.get(name, "").strip()
    if not value:
        hint = f"put your key into it; nothing of it is stored: export {name}=…"
        raise ConfigError(
            f"a key for {host.name} was expected in the environment variable {name}", found="none", hint=hint
        )
    if host.url.startswith("http:") and not host.is_here:
        raise ConfigError(f"https was expected for {host.name}, which is sent a key", found="http")
    return Key(value, name)


def check_agreed(host: Host, *, agreed: bool, what: str) -> None:
    """Raise ConfigError unless the user said that text may go to this host. `what` says what would be sent."""
    if not agreed:
        hint = "add --yes-send-text if that is meant, or see with --dry-run what it would cost"
        raise ConfigError(f"your word was expected before {what} go to {host.name}", found="none", hint=hint)


def _is_here(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
