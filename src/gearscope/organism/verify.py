"""Measures every behaviour of a bundle's models again and compares them with the tables they carry.

Of the interchange maps, the one with a bar is measured again, the others are read.

Checked as well: the lock and every file against its checksum, that no twin and no version is missing, the tokenizers'
words against the world's, and the held-out compositions against the world's, so that a bundle of an older world cannot
pass for one of this world. Tables of other seeds are read and not measured.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn
from transformers import AutoTokenizer

import gearscope.artifact as artifact
from gearscope.errors import ArtifactError
from gearscope.lock import LOCK, verify_lock
from gearscope.organism.behaviours.registry import BEHAVIOURS
from gearscope.organism.evaluate import Measured, measure
from gearscope.organism.runs import ASKED, FOLDERS, ORGANISM
from gearscope.organism.seeds import KIND as SEED
from gearscope.organism.seeds import SeedTable, read_seed
from gearscope.organism.store import BEFORE, HELD_OUT, held_out_json, open_weights, read_config, read_table
from gearscope.organism.truth.claims import PLAN, missed_planning
from gearscope.organism.truth.interchange import measure_maps
from gearscope.organism.truth.maps import InterchangeMap, differences
from gearscope.organism.truth.registry import variable_named
from gearscope.organism.truth.store import INTERCHANGE, read_maps
from gearscope.organism.world.vocabulary import VOCABULARY

TOLERANCE = 0.003
"""Accuracies may differ by this much: near ties fall either way on another processor."""
_FEW = 1.5
"""So many questions may go either way whatever their number is."""


class Check(NamedTuple):
    """One behaviour of one model: what is stored, what was measured now, its bar, and the level before (a version)."""

    name: str
    stored: Measured
    measured: Measured
    bar: float | None
    before: Measured | None = None

    @property
    def holds(self) -> bool:
        """Held-out accuracy is as stored, and not below its bar."""
        score = self.measured.held_out
        as_stored = abs(score.accuracy - self.stored.held_out.accuracy) <= max(TOLERANCE, _FEW / score.count)
        return as_stored and (self.bar is None or score.accuracy >= self.bar)


class Part(NamedTuple):
    """A model of the bundle with everything it was asked, and what is said of it."""

    name: str
    kind: str
    about: str
    checks: list[Check]
    maps: tuple[InterchangeMap, ...]
    """Its interchange maps as they are stored."""
    problems: list[str]
    """Where its truth is not as stored, or misses the bar of planning."""


class Verified(NamedTuple):
    """A bundle, measured again, and the stored tables of other seeds."""

    parts: list[Part]
    seeds: list[SeedTable]

    @property
    def missed(self) -> list[str]:
        """What does not hold, in a phrase each."""
        behaviours = [f"{part.name}: {check.name}" for part in self.parts for check in part.checks if not check.holds]
        return behaviours + [f"{part.name}: {problem}" for part in self.parts for problem in part.problems]


Report = Callable[[str, Check], None]


def verify_bundle(folder: Path, expected: Sequence[str], *, progress: Report | None = None) -> Verified:
    """Measure every behaviour of every model again; a missing check is never silent: all `expected` parts are there.

    A folder with a single model is measured alone. Raises ArtifactError when a file is damaged, when a part is missing
    or of another model, or when the bundle belongs to another world.
    """
    if not (folder / LOCK).is_file() and (folder / artifact.MANIFEST).is_file():
        return Verified([verify_model(folder, folder.name, progress)], [])
    lock = verify_lock(folder)
    missing = [part for part in expected if part not in lock.parts]
    if missing:
        hint = "train a whole bundle with `gearscope organism train`"
        raise ArtifactError(f"{folder} should hold {', '.join(expected)}", found=f"no {', '.join(missing)}", hint=hint)
    models = [name for name, part in lock.parts.items() if part.kind in (ORGANISM, *FOLDERS)]
    ordered = sorted(models, key=lambda name: expected.index(name) if name in expected else len(expected))
    parts = [verify_model(folder / name, name, progress) for name in ordered]
    seeds = [read_seed(folder / name) for name, part in lock.parts.items() if part.kind == SEED]
    return Verified(parts, seeds)


def verify_model(folder: Path, name: str, progress: Report | None = None) -> Part:
    """One model measured again. Raises ArtifactError."""
    kind = kind_of(folder)
    said = artifact.verify(folder, kind)["config"]
    check_world(folder, kind)
    stored, bars = read_table(folder), read_config(folder, kind).bars
    asked = tuple(BEHAVIOURS) if kind == ORGANISM else tuple(bars)
    if set(stored) != set(asked):
        raise ArtifactError(f"{folder} should hold the behaviours {', '.join(asked)}", found=", ".join(stored))
    before = read_table(folder, BEFORE) if (folder / BEFORE).is_file() else {}
    model, limit, checks = open_weights(folder), None if kind == ORGANISM else ASKED, []
    for behaviour in stored:
        measured = measure(model, behaviour, limit)
        checks.append(Check(behaviour, stored[behaviour], measured, bars.get(behaviour), before.get(behaviour)))
        if progress is not None:
            progress(name, checks[-1])
    maps = read_maps(folder) if kind == ORGANISM or (folder / INTERCHANGE).is_file() else ()
    problems = truth_problems(model, maps, planned=read_config(folder, kind).planning) if kind == ORGANISM else []
    return Part(name, kind, said.get("lacks") or " ".join(said.get("planted", [])), checks, maps, problems)


def truth_problems(model: nn.Module, stored: tuple[InterchangeMap, ...], *, planned: bool) -> list[str]:
    """The map that has a bar, measured again: how it differs from the stored one, and whether it misses its bar."""
    now = measure_maps(model, [variable_named(PLAN)])
    before = tuple(table for table in stored if table.title == PLAN)
    return differences(before, now) + (missed_planning(now) if planned else [])


def kind_of(folder: Path) -> str:
    """Which of our models a folder holds. Raises ArtifactError when it holds none."""
    try:
        kind = json.loads((folder / artifact.MANIFEST).read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"an organism was expected at {folder}", found="none") from error
    if kind not in (ORGANISM, *FOLDERS):
        raise ArtifactError(f"{folder} should hold an organism, a twin or a version", found=repr(kind))
    return kind


def check_world(folder: Path, kind: str = ORGANISM) -> None:
    """Raise ArtifactError unless the model has this world's words and, the organism, its held-out compositions."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    assert tokenizer is not None, "a stored tokenizer opens or raises"
    words = tuple(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    if words != VOCABULARY:
        raise ArtifactError(f"{folder} should have the {len(VOCABULARY)} words of this world", found="other words")
    if kind == ORGANISM and (folder / HELD_OUT).read_text(encoding="utf-8") != held_out_json():
        raise ArtifactError(f"{folder} should hold out what this world holds out", found="other compositions")
