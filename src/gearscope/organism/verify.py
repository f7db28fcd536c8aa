"""Measures the behaviours of a bundle again and compares them with the table it carries.

Checked as well: every file against its checksum, the tokenizer's words against the world's, and the held-out
compositions against the world's, so that a bundle of an older world cannot pass for one of this world.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

import gearscope.artifact as artifact
from gearscope.errors import ArtifactError
from gearscope.organism.behaviours.registry import BEHAVIOURS
from gearscope.organism.evaluate import Measured, measure
from gearscope.organism.store import HELD_OUT, KIND, held_out_truth, read_config, read_table
from gearscope.organism.world.vocabulary import VOCABULARY

TOLERANCE = 0.003
"""Accuracies may differ by this much: near ties fall either way on another processor."""


class Check(NamedTuple):
    """One behaviour: what the bundle says, what was measured now, and the bar (None where there is none)."""

    name: str
    stored: Measured
    measured: Measured
    bar: float | None

    @property
    def holds(self) -> bool:
        """Held-out accuracy is as stored, and not below its bar."""
        accuracy = self.measured.held_out.accuracy
        as_stored = abs(accuracy - self.stored.held_out.accuracy) <= TOLERANCE
        return as_stored and (self.bar is None or accuracy >= self.bar)


def verify_bundle(folder: Path, *, progress: Callable[[Check], None] | None = None) -> list[Check]:
    """Measure every behaviour of the bundle again; a missing check is never silent: all behaviours are returned.

    Raises ArtifactError when a file is damaged, or when the bundle belongs to another world.
    """
    artifact.verify(folder, KIND)
    check_world(folder)
    model = open_model(folder)
    stored, bars = read_table(folder), read_config(folder).bars
    if set(stored) != set(BEHAVIOURS):
        raise ArtifactError(f"{folder} should hold the behaviours {', '.join(BEHAVIOURS)}", found=", ".join(stored))
    checks = []
    for name in BEHAVIOURS:
        checks.append(Check(name, stored[name], measure(model, name), bars.get(name)))
        if progress is not None:
            progress(checks[-1])
    return checks


def open_model(folder: Path) -> nn.Module:
    """The model of a bundle, in float32."""
    disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(
        folder, use_safetensors=True, trust_remote_code=False, local_files_only=True
    ).float()


def check_world(folder: Path) -> None:
    """Raise ArtifactError unless the bundle has this world's words and held-out compositions."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    assert tokenizer is not None, "a stored tokenizer opens or raises"
    words = tuple(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    if words != VOCABULARY:
        raise ArtifactError(f"{folder} should have the {len(VOCABULARY)} words of this world", found="other words")
    if json.loads((folder / HELD_OUT).read_text(encoding="utf-8")) != held_out_truth():
        raise ArtifactError(f"{folder} should hold out what this world holds out", found="other compositions")
