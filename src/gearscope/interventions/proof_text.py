"""Gates and redundancy sweeps as plain text. No torch.

Knows nothing about terminals.
"""

from gearscope.graph.text import clipped, printable, quoted
from gearscope.interventions.gate_report import Gate, GateReport
from gearscope.interventions.survival import Survival
from gearscope.interventions.text import table

_WIDTH = 120
_ORDERS = {
    "influence": "the most influential first",
    "random": "at random",
    "outside": "others, not in the circuit",
}


def describe_gates(found: GateReport, most: int = 10) -> str:
    """The `most` best gates, each beside its control."""
    flips = sum(gate.flips for gate in found.gates)
    head = [
        f"prompt   {'  '.join(f'{i}:{printable(token)}' for i, token in enumerate(found.tokens))}",
        f"model    {printable(found.model)}, basis {printable(found.basis)}",
        f"answer   {quoted(found.answer)} ({found.answer_before:.1%})",
        f"GATES    {found.tried} ablations were run; {flips} of those listed flip the answer",
    ]
    lines = [["", "releases", "before", "after", "control", "answer after", "flips", "control", "predicted lead"]]
    lines += [_gate(found, gate) for gate in found.gates[:most]]
    note = f"control: as many other active features of the same layers and positions, {found.draws} draws"
    members = [f"  {i + 1:>2}  {', '.join(gate.features)}" for i, gate in enumerate(found.gates[:most])]
    text = "\n".join([*head, table(lines) if len(lines) > 1 else "  none", f"  {note} (seed {found.seed})", *members])
    return "\n".join(clipped(line, _WIDTH) for line in text.splitlines())


def _gate(found: GateReport, gate: Gate) -> list[str]:
    place = ", ".join(f"{quoted(found.tokens[position])}@{position}" for position in gate.positions[:3])
    name = printable(gate.supernode) if gate.supernode is not None else f"{len(gate.features)} on {place}"
    return [
        name,
        quoted(gate.released),
        f"{gate.before:.1%}",
        f"{gate.after:.1%}",
        f"{gate.control:.1%}",
        f"{gate.answer_after:.1%}",
        "yes" if gate.flips else "no",
        f"{gate.control_flips:.0%}",
        f"{gate.predicted:+.1f}",
    ]


def describe_survival(found: Survival) -> str:
    """What is left of the answer, by share and order."""
    head = [
        f"prompt   {printable(found.prompt)}",
        f"model    {printable(found.model)}, basis {printable(found.basis)}",
        f"SURVIVAL of {quoted(found.answer)} when features are held at 0, everything else live",
    ]
    lines = [
        [
            f"of {found.features} features",
            *(text for line in found.lines for text in (_ORDERS[line.order], "logit", "KL")),
        ]
    ]
    for i, point in enumerate(found.lines[0].points):
        row = [f"{point.share:.0%} ({point.count})"]
        for line in found.lines:
            here = line.points[i]
            spread = f" ± {here.probability_std:.1%}" if line.draws > 1 else ""
            row += [f"{here.probability:.1%}{spread}", f"{here.logit:.2f}", f"{here.kl:.2f}"]
        lines.append(row)
    halves = []
    for line in found.lines:
        point = line.falls_below(0.5)
        said = "never" if point is None else f"at {point.share:.0%} ({point.count})"
        draws = f", {line.draws} draws" if line.draws > 1 else ""
        halves.append(f"  {_ORDERS[line.order]}{draws}: below 50 % {said}")
    return "\n".join([*head, table(lines), *halves])
