"""What one command trains: the organism, then its twins, then its versions, each as a run with settings. No torch.

A run knows its folder in the bundle (`model`, `twins/NAME`, `versions/NAME`), how its manifest is called, its settings,
and what it starts from. It knows nothing about how training goes.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gearscope.lock import MODEL
from gearscope.organism.config import OrganismConfig
from gearscope.organism.truth.registry import VARIABLES
from gearscope.organism.twins import TWINS, Twin
from gearscope.organism.versions import VERSIONS, Version

ORGANISM, TWIN, VERSION = "organism", "twin", "version"
"""Kinds of stored models, as their manifests call them."""
FOLDERS = {TWIN: "twins", VERSION: "versions"}
ASKED = 400
"""Questions of each behaviour that a twin or a version is asked; the organism is asked all."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One model to be trained, measured and written."""

    part: str
    """Its path in the bundle."""
    kind: str
    config: OrganismConfig
    about: dict[str, Any] = field(default_factory=dict)
    """What its manifest says of it beside its settings."""
    start: Path | None = None
    """The model folder whose weights it starts from; None for weights drawn from the seed."""
    variables: tuple[str, ...] = ()
    """Titles of the variables whose interchange maps are measured."""
    inputs: dict[str, str] = field(default_factory=dict)
    """`model`: the fingerprint of the organism that it belongs to (none for the organism itself)."""
    must_hold: bool = True
    """Whether it is refused when it misses a bar."""

    @property
    def limit(self) -> int | None:
        """How many questions of each behaviour it is asked; None for all there are."""
        return None if self.kind == ORGANISM else ASKED

    @property
    def behaviours(self) -> tuple[str, ...] | None:
        """What it is asked: those with a bar; None for everything the organism is asked."""
        return None if self.kind == ORGANISM else tuple(self.config.bars)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that one seed trains."""

    main: OrganismConfig
    twins: dict[str, Twin]
    versions: dict[str, Version]
    variables: tuple[str, ...]
    """Titles of the variables whose interchange maps are measured in the organism."""
    must_hold: bool = True
    """Whether a missed bar is refused. Otherwise a seed is trained to be reported: its table is written, whatever it
    reaches, and no bundle."""

    @property
    def parts(self) -> list[str]:
        """The path of every model in the bundle, in the order in which they are trained."""
        twins, versions = (f"{FOLDERS[kind]}/" for kind in (TWIN, VERSION))
        return [MODEL, *(twins + name for name in self.twins), *(versions + name for name in self.versions)]

    def main_run(self) -> Run:
        """The organism itself, from its seed."""
        return Run(part=MODEL, kind=ORGANISM, config=self.main, variables=self.variables, must_hold=self.must_hold)

    def twin_run(self, name: str, model: str) -> Run:
        """A twin, from the same seed; `model` is the fingerprint of the organism that it is the twin of."""
        twin = self.twins[name]
        config = OrganismConfig.of(**(twin.config.model_dump() | {"seed": self.main.seed}))
        about = {"of": twin.of, "lacks": twin.lacks}
        part = f"{FOLDERS[TWIN]}/{name}"
        inputs = {"model": model}
        return Run(
            part=part,
            kind=TWIN,
            config=config,
            about=about,
            variables=twin.variables,
            inputs=inputs,
            must_hold=self.must_hold,
        )

    def version_run(self, name: str, model: str, start: Path) -> Run:
        """A version, from the weights of the organism, which lie in `start` and have the fingerprint `model`."""
        version = self.versions[name]
        config, about = version.config(self.main), {"planted": list(version.planted)}
        part = f"{FOLDERS[VERSION]}/{name}"
        return Run(
            part=part,
            kind=VERSION,
            config=config,
            about=about,
            start=start,
            inputs={"model": model},
            must_hold=self.must_hold,
        )


def plan_of(seed: int, *, must_hold: bool = True) -> Plan:
    """What the shipped bundle is made of, for any seed. Raises ConfigError."""
    main, variables = OrganismConfig.of(seed=seed), tuple(variable.title for variable in VARIABLES)
    return Plan(main=main, twins=TWINS, versions=VERSIONS, variables=variables, must_hold=must_hold)
