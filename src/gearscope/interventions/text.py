"""An intervention as plain text: what was edited, predicted beside measured beside control, and how well they agree.

Knows nothing about terminals. No torch.
"""

from collections.abc import Iterable, Sequence

from gearscope.interventions.result import Intervention, NodeRow, TokenRow

_MOST_NODES = 15
_MODES = {
    "direct": "direct: attention, norms and all MLPs held",
    "constrained": "constrained: MLPs held through layer {freeze_to}, later ones live; attention held, norms {norms}",
    "free": "free: everything live",
}


def describe_intervention(result: Intervention, most: int = _MOST_NODES) -> str:
    """The whole result as text, with the `most` nodes that changed most."""
    parts = [_head(result), _edits(result), _tokens(result), _nodes(result, most), _agreement(result)]
    if result.generated is not None:
        written = result.generated
        parts.append(f"WRITTEN, everything live\n  before  {written.before!r}\n  after   {written.after!r}")
    if result.warnings:
        parts.append("\n".join(f"note: {warning}" for warning in result.warnings))
    return "\n\n".join(parts)


def _head(result: Intervention) -> str:
    prompt = "  ".join(f"{i}:{token.strip() or token!r}" for i, token in enumerate(result.tokens))
    mode = _MODES[result.mode].format(freeze_to=result.freeze_to, norms="held" if result.hold_norms else "live")
    draws = f"{result.controls} draws of other features, equal norm (seed {result.seed})"
    return f"prompt   {prompt}\nmodel    {result.model}, basis {result.basis}\nmode     {mode}\ncontrol  {draws}"


def _edits(result: Intervention) -> str:
    names = [f"{row.name} on {_token(result, row.position)}" for row in result.edited]
    lines = [
        [name, f"{row.before:.4g}", "->", f"{row.after:.4g}", f"(norm written {row.written_norm:.3g})"]
        for name, row in zip(names, result.edited, strict=True)
    ]
    return "EDITED  " + ", ".join(result.edits) + "\n" + table(lines)


def _tokens(result: Intervention) -> str:
    lines = [["", "p before", "p after", "logit", "predicted", "measured", "control"]]
    lines += [
        [
            f'"{row.token.strip() or row.token}"' + (" *" if row.node_id is not None else ""),
            f"{row.probability_before:.1%}",
            f"{row.probability_after:.1%}",
            f"{row.logit_before:.2f}",
            *_changes(row),
        ]
        for row in result.next_tokens
    ]
    after = _token(result, result.next_tokens[0].position)
    return f"AFTER {after} (logits less their mean; * a target of the graph)\n" + table(lines)


def _nodes(result: Intervention, most: int) -> str:
    ranked = sorted(result.nodes, key=lambda row: -abs(row.measured))
    if not ranked:
        return "NODES\n  none that the edits can reach"
    lines = [["", "before", "predicted", "measured", "control"]]
    lines += [
        [f"{row.name} on {_token(result, row.position)}", f"{row.before:.3f}", *_changes(row)] for row in ranked[:most]
    ]
    left = f"\n  … and {len(ranked) - most} more" if len(ranked) > most else ""
    return f"NODES that changed most, of {len(ranked)} that the edits can reach\n" + table(lines) + left


def _changes(row: NodeRow | TokenRow) -> list[str]:
    return [f"{row.predicted:+.3f}", f"{row.measured:+.3f}", f"{row.control:+.3f} ± {row.control_std:.3f}"]


def _agreement(result: Intervention) -> str:
    found = result.agreement
    lines = [
        ["", "edits", "control"],
        ["rank correlation with the prediction", share(found.spearman), share(found.spearman_control)],
        ["mean absolute change", f"{found.size:.4f}", f"{found.size_control:.4f}"],
        [
            "KL of the next token, nats",
            f"{found.kl:.2e}",
            f"{found.kl_control:.2e} ± {found.kl_control_std:.1e}",
        ],
        ["signs that agree", "-" if found.sign_agreement is None else f"{found.sign_agreement:.1%}", ""],
    ]
    return f"AGREEMENT over {found.rows} nodes and tokens\n" + table(lines)


def share(value: float | None) -> str:
    """A figure, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def _token(result: Intervention, position: int) -> str:
    token = result.tokens[position]
    return f'"{token.strip() or token}"'


def table(lines: Sequence[Sequence[str]]) -> str:
    """Columns of one width each: the first to the left, the others to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  " + "  ".join(_cells(line, widths)).rstrip() for line in lines)


def _cells(line: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    for i, (cell, width) in enumerate(zip(line, widths, strict=True)):
        yield cell.ljust(width) if i == 0 else cell.rjust(width)
