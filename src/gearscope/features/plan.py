"""What a build has decided before it reads: the shape of the library, and how the work is cut. No torch.

A shard is a stretch of forward passes. Its number decides what it reads, and nothing that is stored depends on how many
there are.
"""

import json
from pathlib import Path

from pydantic import Field

from gearscope.artifact import write_text
from gearscope.config import Config
from gearscope.errors import ArtifactError, ConfigError
from gearscope.features.config import Contents

PLAN, PARTS, WEIGHTS, FINISHED = "plan.json", "parts", "weights.safetensors", "library"
"""What is in the folder of a build: FINISHED is the library that it becomes, the rest is scaffolding."""
BLOCK_PASSES, _MEGABYTES_PER_PASS = 16, 64
WAITING, _WAITING_PER_MEGABYTE = 4_000_000, 2_000


class WorkConfig(Config):
    """How a library is built, without effect on what it holds."""

    shards: int | None = Field(default=None, ge=1)
    """Stretches of text that are worked on one by one, or side by side; None for one per 262,144 tokens."""
    memory_megabytes: int = Field(default=2048, ge=16)
    """What counts and kept examples may take, beside the model and the dictionaries."""

    @property
    def block_passes(self) -> int:
        """Forward passes whose firings are counted together: on the way a count takes several times what it adds."""
        return min(BLOCK_PASSES, max(1, self.memory_megabytes // _MEGABYTES_PER_PASS))

    @property
    def waiting(self) -> int:
        """Entries of a table that wait to be added: adding passes over the whole table."""
        return min(WAITING, self.memory_megabytes * _WAITING_PER_MEGABYTE)


class Plan(Config):
    """A build that has begun."""

    run: str
    """Fingerprint of everything that decides the library."""
    contents: Contents
    n_passes: int = Field(ge=1)
    shards: int = Field(ge=1)

    def stretch(self, shard: int) -> range:
        """The passes of a shard."""
        return range(shard * self.n_passes // self.shards, (shard + 1) * self.n_passes // self.shards)


def write_plan(folder: Path, plan: Plan) -> None:
    """Store a plan."""
    write_text(folder / PLAN, plan.to_json() + "\n")


def read_plan(folder: Path) -> Plan | None:
    """The plan of a build, None where it has none yet. Raises ArtifactError for one that is damaged."""
    path = folder / PLAN
    if not path.is_file():
        return None
    try:
        return Plan.from_json(json.dumps(json.loads(path.read_text(encoding="utf-8"))))
    except (ValueError, ConfigError) as error:
        hint = "remove the folder and build again"
        raise ArtifactError(
            f"{path} should be the plan of a build", found=" ".join(str(error).split()), hint=hint
        ) from error
