"""What `organism verify` prints: a table per measured model, and one per seed that is only stored."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
