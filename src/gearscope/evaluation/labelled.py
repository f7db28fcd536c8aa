"""Whether rules name what features tell: label accuracy against the exhaustive truth of the organism's world.

A feature's rule is asked the question that the feature tells best (`told.py`), on tokens that did not choose the
question. Beside the rules stand exchanged rules, rules of one token, and directions drawn at random with their rules.
"""

from collections.abc import Mapping, Sequence

from gearscope.evaluation.report import LabelReport, LabelRow
from gearscope.evaluation.told import Truths
from gearscope.labels.rules import Rule

ABOUT = 0.5
"""Share of a feature's firings from which on it is mostly about what it tells."""
Rules = Mapping[int, Rule | None]
"""By feature; None, or missing, for no rule, or obscure."""


def judge(truths: Truths, sets: Mapping[str, Rules], *, among: Sequence[int]) -> LabelReport:
    """Which share of each set of rules names what its feature tells, over some features."""
    best = {feature: truths.best[feature] for feature in among if feature in truths.best}
    right = {
        name: {feature: truths.agrees(rules.get(feature), feature) for feature in best} for name, rules in sets.items()
    }
    mostly = [feature for feature, one in best.items() if one.about >= ABOUT]
    rows = []
    for phenomenon in sorted({one.phenomenon for one in best.values()}):
        own = [feature for feature, one in best.items() if one.phenomenon == phenomenon]
        rows.append(LabelRow(phenomenon=phenomenon, features=len(own), right=_shares(right, own)))
    return LabelReport(
        documents=truths.documents,
        seed=truths.seed,
        live=int(truths.live[list(among)].sum()),
        told=len(best),
        right=_shares(right, list(best)),
        mostly=len(mostly),
        right_mostly=_shares(right, mostly),
        rows=tuple(rows),
        questions={feature: one.question for feature, one in best.items()},
        named={name: tuple(f for f, is_right in found.items() if is_right) for name, found in right.items()},
    )


def _shares(right: Mapping[str, Mapping[int, bool]], own: Sequence[int]) -> dict[str, float | None]:
    return {name: sum(found[f] for f in own) / len(own) if own else None for name, found in right.items()}
