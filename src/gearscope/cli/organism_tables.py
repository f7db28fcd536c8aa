"""What `organism verify` prints: a table per measured model, one per seed that is only stored; and what `hops` does."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gearscope.evaluation.report import HopReport
    from gearscope.organism.seeds import SeedTable
    from gearscope.organism.verify import Check, Part, Verified

_HEAD = f"  {'behaviour':<24} {'held out':>9} {'stored':>9} {'shown':>9} {'chance':>9} {'before':>9} {'bar':>7}"


def part_lines(part: "Part") -> list[str]:
    """One model: every behaviour with its level now, as stored, in training, by chance, and before a fine-tune."""
    title = f"{part.name}: {part.about}" if part.about else part.name
    return [title, _HEAD, *(_check_line(check) for check in part.checks)]


def _check_line(check: "Check") -> str:
    now = check.measured
    figures = [now.held_out, check.stored.held_out, now.train, now.chance]
    shares = " ".join(f"{score.accuracy:9.2%}" for score in figures)
    before = "-" if check.before is None else f"{check.before.held_out.accuracy:.2%}"
    bar = f"{check.bar:.1%}" if check.bar else "-"
    return f"  {check.name:<24} {shares} {before:>9} {bar:>7}{'' if check.holds else '  MISSED'}"


def seed_lines(table: "SeedTable") -> list[str]:
    """Another seed: its held-out levels by model, as they are stored."""
    sealed = ", sealed until the recipe was final" if table.sealed else ""
    lines = [f"seed {table.seed} (stored, not measured here{sealed})"]
    for part, rows in table.tables.items():
        for name, row in rows.items():
            share = row["held_out"]["correct"] / row["held_out"]["count"]
            bar = f"{row['bar']:.1%}" if row["bar"] else "-"
            missed = "  MISSED" if row["bar"] and share < row["bar"] else ""
            lines.append(f"  {part:<24} {name:<24} {share:9.2%} {bar:>7}{missed}")
    return lines


def hop_lines(reports: Sequence["HopReport"]) -> list[str]:
    """How much of the circuits of chains goes through the state, a line for each model and basis."""
    lines = [
        f"{'model':<34} {'basis':<10} {'chains':>6} {'stand for a state':>18} {'in circuit':>10} {'through':>8} "
        f"{'random':>8} {'direct':>8} {'moved':>8} {'random':>8}"
    ]
    for row in reports:
        shares = (row.through, row.through_random, row.direct, row.moved, row.moved_random)
        lines.append(
            f"{row.model:<34} {row.basis:<10} {row.prompts:>6} {row.features:>18.1f} {row.in_graph:>10.1f} "
            + " ".join(f"{share:8.1%}" for share in shares)
        )
    return lines


def as_json(done: "Verified") -> dict[str, Any]:
    """The same as values; a share is of the held-out questions unless it says otherwise."""
    models = {part.name: {check.name: _values(check) for check in part.checks} for part in done.parts}
    seeds = {str(table.seed): {"sealed": table.sealed, "stored": table.tables} for table in done.seeds}
    return {"models": models, "seeds": seeds, "missed": done.missed}


def _values(check: "Check") -> dict[str, Any]:
    return {
        "held_out": check.measured.held_out.accuracy,
        "stored": check.stored.held_out.accuracy,
        "shown": check.measured.train.accuracy,
        "chance": check.measured.chance.accuracy,
        "before": None if check.before is None else check.before.held_out.accuracy,
        "bar": check.bar,
        "holds": check.holds,
    }
