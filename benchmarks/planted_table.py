"""The runs of `planted.py`: a line of a file each, and a Markdown table of each trainer at its best setting."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from gearscope.planted.report import Recovery, mean_of


class Run(NamedTuple):
    """One dictionary of one trainer on one world."""

    program: str
    architecture: str
    setting: str
    seed: int
    tokens: int
    scores: dict[str, Recovery]
    """exact: with k active latents per token. stored: as its program stores it."""
    cpu_seconds: float | None
    apart: dict[str, float]
    """How far a program's own scores of its dictionary are from ours, as stored."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return self._asdict() | {"scores": {form: one.model_dump(mode="json") for form, one in self.scores.items()}}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Run":
        """Back from plain data."""
        scores = {form: Recovery(**one) for form, one in told["scores"].items()}
        whole: dict[str, Any] = {**told, "scores": scores}
        return cls(**whole)


def read(path: Path, tokens: int) -> list[Run]:
    """The runs of so many tokens that are done; none where there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [one for one in (Run.from_json(json.loads(line)) for line in lines) if one.tokens == tokens]


EXACT = {
    "MCC": ("mcc", ".3f"),
    "found .9": ("found", ".3f"),
    "F1": ("f1", ".3f"),
    "F1 by latent": ("f1_by_latent", ".3f"),
    "uniqueness": ("uniqueness", ".3f"),
    "absorption": ("absorption", ".3f"),
    "missed": ("missed", ".3f"),
    "dead": ("dead", ".3f"),
    "NMSE": ("nmse", ".3f"),
}
STORED = {"L0 stored": ("l0", ".2f"), "F1 stored": ("f1", ".3f"), "NMSE stored": ("nmse", ".3f")}


def table(runs: list[Run]) -> str:
    """All trainers, each at the setting with the highest MCC."""
    head = ["", *EXACT, *STORED, "CPU s", "setting", "seeds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in dict.fromkeys((one.program, one.architecture) for one in runs):
        of_name = [one for one in runs if (one.program, one.architecture) == name]
        settings = dict.fromkeys(one.setting for one in of_name)
        by_setting = [[one for one in of_name if one.setting == setting] for setting in settings]
        lines.append(
            row(max(by_setting, key=lambda found: mean_of([figure(one, "exact", "mcc") for one in found]) or 0))
        )
    return "\n".join(lines)


def row(found: list[Run]) -> str:
    """One trainer at one setting; ± is half the range over seeds."""
    cells = [f"{found[0].program} {found[0].architecture}".strip()]
    for form, columns in (("exact", EXACT), ("stored", STORED)):
        for name, (score, style) in columns.items():
            values = [figure(one, form, score) for one in found]
            mean, present = mean_of(values), [value for value in values if value is not None]
            cell = "-" if mean is None else format(mean, style)
            if name in ("MCC", "F1") and len(present) > 1:
                cell += f" ± {(max(present) - min(present)) / 2:.3f}"
            cells.append(cell)
    seconds = mean_of([one.cpu_seconds for one in found])
    return (
        "| "
        + " | ".join([*cells, "-" if seconds is None else f"{seconds:.1f}", found[0].setting, str(len(found))])
        + " |"
    )


def figure(run: Run, form: str, score: str) -> float | None:
    """A score; truths found at a cosine of 0.9 for `found`."""
    one = run.scores[form]
    return one.found["0.9"] if score == "found" else getattr(one, score)
