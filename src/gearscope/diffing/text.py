"""A comparison as text. No torch."""

from gearscope.diffing.report import DIFFERENT, Behaviour, Change, DiffReport, Effect, Feature, Parting

_FEATURES, _SHARED, _GROUPS, _EXAMPLES = 12, 4, 8, 3


def text_of(report: DiffReport, *, features: int = _FEATURES, groups: int = _GROUPS) -> str:
    """The summary, the features of one model or changed ones, and where the predictions differ."""
    counts = ", ".join(f"{count} {kind}" for kind, count in report.counts.items())
    written = ", ".join(f"{kind} {share:.1%}" for kind, share in report.explained.items())
    lines = [
        f"A {report.a}",
        f"B {report.b}",
        f"at {', '.join(report.sites)}, on {report.tokens:,} held-out tokens",
        f"loss {report.loss_a:.4f} (A) {report.loss_b:.4f} (B) nats; KL(A‖B) {report.kl:.4f} nats; "
        f"the same likeliest next token {report.same_top:.1%}",
        f"features: {counts}",
        f"share of the variance of B − A that they write: {written}",
    ]
    lines += ["", f"what B does otherwise: {len(report.changes) or 'nothing found'}"]
    if report.parting is not None:
        lines += [parting_line(report.parting)]
    for number, change in enumerate(report.changes, 1):
        lines += _change_lines(number, change)
    different = report.those(*DIFFERENT)
    for feature in different[:features]:
        lines += ["", *_feature_lines(feature)]
    if len(different) > features:
        lines += ["", f"and {len(different) - features} more in the report's JSON"]
    for feature in report.those("shared")[:_SHARED]:
        lines += ["", *_feature_lines(feature)]
    lines += ["", "where the predictions differ most, by the feature that writes most of the difference there:"]
    for group in report.behaviours[:groups]:
        lines += _group_lines(group)
    return "\n".join(lines)


def parting_line(parting: Parting) -> str:
    """How many tokens part, in the text and in what B wrote."""
    line = (
        f"    KL(A‖B) of {parting.bound:g} nats or more, where A expects something: behind {parting.parting:,} of "
        f"{parting.read:,} held-out tokens"
    )
    if not parting.texts:
        return line
    return (
        f"{line}; from there B wrote {parting.texts:,} texts by itself, where it is so behind "
        f"{parting.parting_written:,} of {parting.written:,} tokens"
    )


def _change_lines(number: int, change: Change) -> list[str]:
    best = change.best
    where = " or ".join(map(repr, change.where)) or "several words"
    lines = [
        f"{number}. behind {where}, after {' '.join(change.words) or 'no word in common'}: {change.fired:,} tokens, "
        f"KL {change.kl:.2f} there, {change.share:.1%} of all; {len(change.features)} directions",
        f"    off in B at {best.site}: undoes {best.undone:.0%} (control {best.undone_control:.0%}); "
        f"on in A: makes {best.made:.0%}",
    ]
    return lines + [
        _one_line(f"    {one.before} [{one.token}] → A {one.top_a!r}, B {one.top_b!r}")
        for one in change.contexts[:_EXAMPLES]
    ]


def _undoes(effect: Effect) -> str:
    if effect.undone is None or effect.undone_control is None:
        return "no difference there to undo"
    return f"undoes {effect.undone:.0%} of the difference there (control {effect.undone_control:.0%})"


def _feature_lines(feature: Feature) -> list[str]:
    lines = [
        f"feature {feature.index} {feature.kind}: fires on {feature.fired:,} tokens, norm A {feature.norm_a:.2f} "
        f"B {feature.norm_b:.2f} (Δ {feature.delta_norm:.2f}), cosine {feature.cosine:.2f}, "
        f"nu error {feature.nu_error:.2f}, nu reconstruction {feature.nu_reconstruction:.2f}, "
        f"share of the difference {feature.share:.2%}, KL there {feature.kl:.2f}",
        f"    speaks for {', '.join(map(repr, feature.promotes))}",
    ]
    if feature.effect is not None:
        effect = feature.effect
        lines.append(
            f"    off: KL {effect.off:.3f} (control {effect.off_control:.3f}), {_undoes(effect)}; "
            f"on: KL {effect.on:.3f} (control {effect.on_control:.3f}); {effect.tokens} tokens"
        )
    shown = feature.examples[:_EXAMPLES]
    lines += [_one_line(f"    {one.value:8.2f}  {one.before} [{one.token}] {one.behind}") for one in shown]
    return lines


def _group_lines(group: Behaviour) -> list[str]:
    name = "no feature" if group.feature is None else f"feature {group.feature} ({group.kind})"
    lines = [f"{name}: {group.tokens} tokens, KL {group.kl / group.tokens:.2f} nats each"]
    lines += [
        _one_line(f"    {one.before} [{one.token}] → A {one.top_a!r}, B {one.top_b!r}")
        for one in group.contexts[:_EXAMPLES]
    ]
    return lines


def _one_line(text: str) -> str:
    """With a slash for every line break."""
    return text.replace("\n", " / ")
