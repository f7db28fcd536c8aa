"""A feature as text, and as JSON. No torch.

The token on which it fires most stands in [[ ]], others on which it fires in [ ].
"""

from collections.abc import Iterable, Sequence
from typing import Any

from gearscope.features.config import Shelf
from gearscope.features.records import Example, FeatureRecord, Label, Score, TokenEffect
from gearscope.features.store import Library

_AROUND = 12
"""Tokens that are shown on each side."""
_BARS = "▁▂▃▄▅▆▇█"


def describe(library: Library, record: FeatureRecord, *, examples: int = 8) -> str:
    """Everything about a feature, for a terminal."""
    labels = library.notes.labels(record.number)
    shelf = record.shelf
    near = [other.feature for other in (*record.neighbours[:8], *record.cofiring[:8])]
    said = library.notes.shown([library.number(feature) for feature in near])
    lines = [
        f"feature  {record.feature}   {_shelf(library, shelf)}",
        *(f"label    {_label(label, library.notes.scores(label.id))}" for label in labels[:5]),
        *([f"         and {len(labels) - 5} more labels"] if len(labels) > 5 else []),
        f"fires    on {_fires(library, record)}"
        + ("" if record.max_activation is None else f", up to {record.max_activation:.3g}"),
    ]
    if record.density == 0:
        return "\n".join([*lines, "         dead on this corpus"])
    lines += [
        *_measured(record),
        f"raises   {_effects(record.promoted)}",
        f"lowers   {_effects(record.suppressed)}",
        "",
        *_examples(record.examples, examples),
    ]
    if record.neighbours:
        lines += ["", "writes in the direction of"]
        lines += [f"  {n.cosine:5.2f}  {n.feature}{_said(library, said, n.feature)}" for n in record.neighbours[:8]]
    if record.cofiring:
        lines += ["", "fires together with (share of the tokens of either, times more than by chance)"]
        lines += [
            f"  {c.jaccard:4.0%} {2**c.pmi:7.1f}x  {c.feature}{_said(library, said, c.feature)}"
            for c in record.cofiring[:8]
        ]
    return "\n".join(lines)


def _shelf(library: Library, shelf: Shelf) -> str:
    imported = library.contents.imported
    of = "" if imported is None else f" from {imported.format}"
    sites = [
        f"{verb} {', '.join(sites)}" for verb, sites in (("reads", shelf.reads), ("writes", shelf.writes)) if sites
    ]
    return ", ".join([f"{shelf.kind}{of}", *sites])


def _fires(library: Library, record: FeatureRecord) -> str:
    if record.density is None:
        return "a share of tokens that its source does not say"
    if record.fired is None:
        return f"{record.density:.4%} of tokens, as its source says"
    return f"{record.fired:,} of {library.n_tokens:,} tokens ({record.density:.4%})"


def _measured(record: FeatureRecord) -> list[str]:
    """What is known of when it fires."""
    lines = []
    if record.input_score is not None:
        lines.append(
            f"kind     input score {record.input_score:.2f}; the next token is one it promotes "
            f"{record.output_score:.1%} of the time (at any time {record.output_base:.1%})"
        )
    if record.histogram:
        middle = f", half octaves; half of them up to {record.deciles[4]:.3g}" if record.deciles else ""
        shape = _bars([b.count for b in record.histogram])
        lines.append(f"values   {shape}  {record.histogram[0].high:.2g} to {record.histogram[-1].high:.2g}{middle}")
    if record.triggers:
        on = (f"{t.text!r} {t.precision:.0%} ({t.recall:.0%} of them)" for t in record.triggers[:6])
        lines.append(f"on       {', '.join(on)}")
    return lines


def _label(label: Label, scores: Sequence[Score]) -> str:
    """A label with its maker, its main score and the newest of each other one."""
    explainer = label.details.get("explainer")
    by = [label.method, label.model, explainer if isinstance(explainer, str) else None]
    figures = {score.name: (score.value, score.baseline) for score in scores}
    if label.scored_by is not None:
        figures = {label.scored_by: (label.score, label.baseline)} | figures
    told = [_figure(name, *values) for name, values in figures.items() if values[0] is not None]
    return f"{label.text}   ({'; '.join([' '.join(filter(None, by)), *told, *_reach(label)])})"


def _reach(label: Label) -> list[str]:
    """For a rule that is about strong firing: from where on, and its F1 for every firing."""
    level, f1 = label.details.get("level"), label.details.get("f1_any")
    if not isinstance(level, float) or not isinstance(f1, float):
        return []
    return [f"for {level:.0%} of its largest activation or more; for every firing {f1:.2f}"]


def _figure(name: str, value: float | None, baseline: float | None) -> str:
    return f"{name} {value:.2f}" + ("" if baseline is None else f", baseline {baseline:.2f}")


def _effects(effects: Sequence[TokenEffect]) -> str:
    return ", ".join(f"{effect.text!r} {effect.effect:+.2f}" for effect in effects[:8])


def _bars(counts: Sequence[int]) -> str:
    most = max(counts) or 1
    return "".join(" " if not count else _BARS[min(7, 8 * count // (most + 1))] for count in counts)


def _said(library: Library, said: dict[int, Label], feature: Any) -> str:
    label = said.get(library.number(feature))
    return "" if label is None else f"  {label.text}"


def _examples(examples: Iterable[Example], most: int) -> list[str]:
    shown = list(examples)
    top = [example for example in shown if example.decile == 0][:most]
    spread = [example for example in shown if example.decile != 0]
    lines = [f"  {example.activation:8.3g}  {marked(example)}" for example in top]
    if spread:
        tenths = all(example.decile is not None for example in spread)
        lines += ["and from each tenth of its activations" if tenths else "and others, as its source chose them"]
        chosen = spread[:most] if tenths else spread[:: max(1, len(spread) // max(1, most))][:most]
        lines += [f"  {example.activation:8.3g}  {marked(example)}" for example in chosen]
    return lines


def marked(example: Example, around: int = _AROUND) -> str:
    """The text of an example, the tokens on which the feature fires in brackets."""
    first = max(0, example.position - around)
    stop = min(len(example.tokens), example.position + around + 1)
    parts = []
    for position, told in zip(range(first, stop), example.tokens[first:stop], strict=True):
        text = told.replace("\n", "↵")
        bare = text.lstrip()
        space = text[: len(text) - len(bare)]
        if position == example.position:
            text = f"{space}[[{bare}]]"
        elif example.activations[position] > 0:
            text = f"{space}[{bare}]"
        parts.append(text)
    return ("…" if first else "") + "".join(parts) + ("…" if stop < len(example.tokens) else "")


def as_json(library: Library, record: FeatureRecord) -> dict[str, Any]:
    """Everything about a feature, as JSON values; activations of examples by token."""
    told = record._asdict()
    told |= {"feature": str(record.feature), "shelf": record.shelf.model_dump(mode="json")}
    notes = library.notes
    told["labels"] = [
        label._asdict() | {"scores": [score._asdict() for score in notes.scores(label.id)]}
        for label in notes.labels(record.number)
    ]
    for name in ("promoted", "suppressed", "triggers", "histogram"):
        told[name] = [one._asdict() for one in told[name]]
    for name in ("neighbours", "cofiring"):
        told[name] = [one._asdict() | {"feature": str(one.feature)} for one in told[name]]
    told["examples"] = [
        example._asdict()
        | {
            "token_ids": example.token_ids.tolist(),
            "tokens": list(example.tokens),
            "activations": [round(float(value), 5) for value in example.activations],
            "interval": None if example.interval is None else example.interval._asdict(),
        }
        for example in record.examples
    ]
    return told
