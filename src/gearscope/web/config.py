"""What is served, where, and the bounds on every request. No torch."""

import os
from pathlib import Path

from pydantic import Field

from gearscope.config import Config
from gearscope.errors import ConfigError

MEBIBYTE = 2**20


class Limits(Config):
    """Bounds on what one request may ask for, so that no file and no page can fill the machine."""

    body_bytes: int = MEBIBYTE
    """Largest body of a request."""
    file_bytes: int = 256 * MEBIBYTE
    """Largest graph file that is opened."""
    files: int = 500
    """Most files of a folder that are listed."""
    nodes: int = 3000
    """Most nodes of a graph that are sent; the most influential."""
    links: int = 12000
    """Most links that are sent; those that carry most influence."""
    connections: int = 150
    """Most inputs and most outputs of a node that are listed."""
    prompt_characters: int = 4000
    """Longest prompt that is traced from the page."""
    edits: int = 200
    """Most edits of one intervention."""
    generated_tokens: int = 64
    """Most tokens that an intervention may write."""


class EngineConfig(Config):
    """The model and basis that are opened when somebody traces or intervenes."""

    model: str | None = None
    """HuggingFace name or directory; the bundled organism by default."""
    basis: str = "neurons"
    """What the MLPs are rewritten in."""
    device: str = "cpu"
    """Where the model runs."""
    dtype: str = "float32"
    """Its number type."""
    revision: str | None = None
    """Branch, tag or commit on the hub."""


class ServeConfig(Config):
    """One running server."""

    source: Path
    """A folder of graph files, or one file."""
    host: str = "127.0.0.1"
    """Address that is listened on; the loopback by default."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port; 0 lets the system choose one."""
    engine: EngineConfig = EngineConfig()
    """What is opened to trace and intervene."""
    limits: Limits = Limits()
    """Bounds on every request."""


def data_folder() -> Path:
    """Where traced graphs are kept when no folder is served: `GEARSCOPE_DATA`, else the user's data folder."""
    named = os.environ.get("GEARSCOPE_DATA")
    if named:
        return Path(named) / "graphs"
    base = os.environ.get("XDG_DATA_HOME") or str(Path("~", ".local", "share"))
    try:
        return Path(base).expanduser() / "gearscope" / "graphs"
    except RuntimeError as error:
        raise ConfigError("a home folder for traced graphs was expected", hint="set GEARSCOPE_DATA") from error
