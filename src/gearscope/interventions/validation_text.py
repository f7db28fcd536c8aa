"""A validation as plain text: the plan, agreement by edit and distance beside the control, the groups. No torch.

Knows nothing about terminals.
"""

from gearscope.graph.text import clipped, printable, quoted
from gearscope.interventions.text import share, table
from gearscope.interventions.validation import (
    EDIT_KINDS,
    NORMS,
    Compared,
    EditEffect,
    Figures,
    GroupEffects,
    Validation,
)

_MOST_GROUPS = 12
_EDITS = {"zero": "set to 0", "resample": "resampled", "double": "doubled"}
_SAID: dict[Compared, str] = {
    "held": "norms held",
    "live": "norms live, in both",
    "held, then live": "held, then live",
}


def describe_validation(found: Validation, most: int = _MOST_GROUPS) -> str:
    """The whole result as text, with the `most` groups whose ablation moved the answer most."""
    if not found.is_done:
        return "\n".join([_head(found), "  registered, and not measured yet"])
    return "\n\n".join(
        ["\n".join([_head(found), *_plan(found)]), _figures(found), _streams(found), _groups(found, most)]
    )


def _head(found: Validation) -> str:
    plan = found.plan
    what = "supernodes" if plan.groups_are == "supernodes" else "features, the most influential (it has no supernodes)"
    return f"VALIDATED   plan {found.registered}, made before anything was measured: {len(plan.groups)} {what}"


def _plan(found: Validation) -> list[str]:
    plan, settings = found.plan, found.plan.settings
    where = "prompts that were given" if plan.references_are == "given" else "the prompt's own words in a random order"
    left = [f"  left out, having no features: {printable(', '.join(plan.left_out[:8]))}"] if plan.left_out else []
    return [
        f"  each set to 0, resampled ({settings.resamples} runs of {where}) and doubled,",
        "  MLPs held through its last layer, later ones and all else live but attention patterns",
        f"  control: {settings.controls} draws of other features of equal norm and density (seed {settings.seed})",
        *left,
    ]


def _figures(found: Validation) -> str:
    lines = [["", "rows", "rank corr.", "control", "signs", "control", "size", "control"]]
    for norms, said in _SAID.items():
        whole = found.figures_of(norms)
        if whole is not None:
            lines.append([said, *_cells(whole)])
        if norms == "held, then live":
            continue
        lines += [[f"  {_EDITS[kind]}", *_cells(row)] for kind in EDIT_KINDS if (row := found.figures_of(norms, kind))]
        lines += [
            [f"  on {kind}s", *_cells(row)]
            for kind in ("supernode", "token")
            if (row := found.figures_of(norms, "all", kind))
        ]
        far = sorted({row.distance for row in found.figures if row.distance is not None})
        for distance in far:
            row = found.figures_of(norms, "all", "all", distance)
            if row is not None:
                lines.append([f"  {distance} {'layer' if distance == 1 else 'layers'} on", *_cells(row)])
    note = "  held, then live: the prediction with norms held, of what happens with live ones"
    return "PREDICTED AND MEASURED over every edit and all that it can reach\n" + table(lines) + "\n" + note


def _cells(row: Figures) -> list[str]:
    return [
        f"{row.rows:,}",
        share(row.spearman),
        share(row.spearman_control),
        share(row.signs),
        share(row.signs_control),
        f"{row.size:.3f}",
        f"{row.size_control:.3f}",
    ]


def _streams(found: Validation) -> str:
    lines = [["", "edits", "cosine", "control", "NMSE", "answered only: cosine", "NMSE"]]
    for norms in NORMS:
        for row in (row for row in found.streams if row.norms == norms):
            numbers = (row.cosine, row.cosine_control, row.nmse, row.cosine_answered, row.nmse_answered)
            lines.append([f"norms {norms}, {row.distance} on", str(row.edits), *map(share, numbers)])
    return "THE RESIDUAL STREAM, predicted and measured, by layers behind the edit\n" + table(lines)


def _groups(found: Validation, most: int) -> str:
    lines = [["", "answer when 0", "resampled", "doubled", "control", "KL at 0", "control", "KL left", "of"]]
    ranked = sorted(found.table, key=lambda group: -_edit(group, "zero").kl)
    for group in ranked[:most]:
        zero, *others = (_edit(group, kind) for kind in EDIT_KINDS)
        lines.append(
            [
                clipped(printable(group.group), 28),
                *(f"{edit.answer:.1%}" for edit in (zero, *others)),
                f"{zero.answer_control:.1%}",
                *(f"{value:.2e}" for value in (zero.kl, zero.kl_control, zero.kl_left, zero.kl_unpredicted)),
            ]
        )
    left = f"\n  … and {len(ranked) - most} more" if len(ranked) > most else ""
    before = "" if found.answer_before is None else f" ({quoted(found.answer or '')} is {found.answer_before:.1%})"
    head = f"GROUPS{before}, norms live; KL left is what the prediction misses of the KL behind it"
    return head + "\n" + table(lines) + left


def _edit(group: GroupEffects, kind: str) -> EditEffect:
    return next(edit for edit in group.edits if edit.kind == kind and edit.norms == "live")
