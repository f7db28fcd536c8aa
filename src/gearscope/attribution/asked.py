"""Targets as users name them: a token, one against another, a feature, a probe's file; or nothing: likely tokens."""

from pathlib import Path
from typing import NamedTuple

from gearscope.attribution import targets as aim
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.probes import read_probe
from gearscope.attribution.targets import Target
from gearscope.errors import ConfigError
from gearscope.ids import FeatureAt
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.model import Model
from gearscope.replacement.replacement import Replacement


class Asked(NamedTuple):
    """What is to be explained; one kind at most."""

    token: str | None = None
    against: str | None = None
    """Another token, that `token` is set against."""
    feature: str | None = None
    """LAYER/INDEX@POSITION."""
    probe: Path | None = None
    position: int | None = None
    """Where a token or a probe is read; None for the last."""


def targets_of(
    asked: Asked, model: Model, record: FrozenPrompt, replacement: Replacement, config: AttributionConfig
) -> list[Target]:
    """The targets of one prompt. Raises ConfigError for more than one kind, and TargetError."""
    _check(asked)
    names, at = model.token_names().__getitem__, -1 if asked.position is None else asked.position
    if asked.feature is not None:
        return aim.feature_target(replacement, FeatureAt.parse(asked.feature))
    if asked.probe is not None:
        return _probe(asked.probe, model, record, at)
    if asked.token is None:
        most, share = config.max_targets, config.target_probability
        return aim.salient_logits(record, position=at, probability=share, most=most, names=names)
    token_id = model.token_id(asked.token)
    if asked.against is not None:
        return aim.logit_difference(record, token_id, model.token_id(asked.against), position=at, names=names)
    return aim.logits(record, [token_id], position=at, names=names)


def _check(asked: Asked) -> None:
    kinds = {"target": asked.token, "target_feature": asked.feature, "target_probe": asked.probe}
    given = [name for name, value in kinds.items() if value is not None]
    if len(given) > 1:
        raise ConfigError("at most one kind of target was expected", found=" and ".join(given))
    if asked.against is not None and asked.token is None:
        raise ConfigError("a target token to set against another was expected", found="none", hint="add --target")
    if asked.feature is not None and asked.position is not None:
        raise ConfigError("a feature target names its own position", found="another position beside it")


def _probe(path: Path, model: Model, record: FrozenPrompt, position: int) -> list[Target]:
    direction, site = read_probe(path)
    direction = direction.to(record.token_embed)
    reading = model.run(record.token_ids, read=[site]).sites[str(site)]
    return aim.probe_target(record, direction, site, reading[position], position=position)
