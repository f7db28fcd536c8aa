"""Which client answers, and what tells its replies from those of others. No torch until a local model is opened."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from gearscope.errors import ConfigError, ModelError
from gearscope.explainers.clients.anthropic_api import AnthropicClient
from gearscope.explainers.clients.openai_api import OpenAIClient
from gearscope.explainers.config import CallConfig, Provider
from gearscope.explainers.hosts import Host, host_of, key_for
from gearscope.explainers.protocol import Client


class Source(NamedTuple):
    """Who is asked."""

    provider: Provider
    model: str
    host: Host | None
    """None for a model in this process."""
    key_from: str | None = None

    @property
    def where(self) -> str:
        """The host, for people."""
        return "this process" if self.host is None else self.host.name


def source_of(provider: Provider, model: str, base_url: str | None = None, key_from: str | None = None) -> Source:
    """Check the names. Raises ConfigError, and ModelError for a local folder that is not there."""
    if not model.strip() or len(model) > 200 or not model.isprintable():
        raise ConfigError("the name of a model was expected in --model", found=repr(model)[:80])
    if provider != "local":
        return Source(provider, model, host_of(provider, base_url), key_from)
    if base_url is not None or key_from is not None:
        raise ConfigError("a folder alone was expected for --provider local", found="--base-url or --key-from")
    if not (Path(model) / "config.json").is_file():
        raise ModelError(f"a HuggingFace folder with a config.json was expected at {model}", found="none")
    return Source(provider, model, None)


def identity(source: Source, config: CallConfig) -> dict[str, Any]:
    """What a reply depends on, besides what is asked. No key."""
    told = {"provider": source.provider, "model": source.model, "url": source.host.url if source.host else None}
    told |= {name: getattr(config, name) for name in ("max_tokens", "temperature", "structured")}
    if source.host is None:
        told["model"] = _contents(Path(source.model))
    return told


def _contents(folder: Path) -> str:
    """A hash of names, sizes and times of a model's files: reading gigabytes would take longer than a reply."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    told = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def client_of(source: Source, config: CallConfig, *, device: str = "cpu") -> Client:
    """Open it. Raises ConfigError for a missing package or key, ModelError."""
    if source.host is None:
        # Imported here so that an API needs no torch.
        from gearscope.explainers.clients.local import LocalClient, written_by

        return LocalClient(written_by(Path(source.model), config, device))
    key = key_for(source.provider, source.host, source.key_from)
    kind = AnthropicClient if source.provider == "anthropic" else OpenAIClient
    return kind(source.model, source.host, key, config)
