"""The socket, the address with its token, and the end: what is between the command line and the application. No torch.

The port is taken before anything is printed, so a second server on the same port is one sentence. Ctrl-C reaches the
caller as KeyboardInterrupt after the open answers were given a moment to end.
"""

import ipaddress
import secrets
import socket
from collections.abc import Callable

import uvicorn

from gearscope.errors import ConfigError
from gearscope.web.app import build_app
from gearscope.web.config import ServeConfig

_GRACE = 2
"""Seconds that open answers may still take after Ctrl-C."""


def serve(config: ServeConfig, announce: Callable[[str], None]) -> None:
    """Serve until interrupted. `announce` is called once with the address, token included, when it answers.

    Raises ConfigError when the address cannot be listened on, and what opening the shelf raises.
    """
    with listen(config.host, config.port) as taken:
        port = taken.getsockname()[1]
        token = secrets.token_urlsafe(24)
        app = build_app(config, token=token, port=port)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="error",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        announce(f"http://{_shown(config.host)}:{port}/?token={token}")
        server.run(sockets=[taken])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError when the address is taken, not ours, or no address."""
    expected = f"an address to listen on was expected at {host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise ConfigError(expected, found=str(error), hint="leave out --host to use this machine alone") from error
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        taken.listen(128)
    except OSError as error:
        taken.close()
        found = (error.strerror or str(error)).lower()
        hint = "another server may run there; choose another --port, or leave it out"
        raise ConfigError(expected, found=found, hint=hint) from error
    taken.set_inheritable(False)
    return taken


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _shown(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
