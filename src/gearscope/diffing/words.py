"""What features and differences say in words: examples, promoted tokens, contexts in which predictions differ."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.diffing.pair import Pair
from gearscope.diffing.report import Behaviour, Class, Context, Example
from gearscope.diffing.survey import Survey
from gearscope.models.model import Model

AROUND = 12
"""Tokens of text shown before a token; behind it a third of them."""
PROMOTED = 5
_SHOWN = 8
"""Contexts shown of one group."""


def examples_of(model: Model, seen: Survey, feature: int, n: int) -> tuple[Example, ...]:
    """The strongest activations of a feature, each with the text around it; the strongest first."""
    own = seen.codes.columns == feature
    rows, values = seen.codes.rows[own], seen.codes.values[own]
    found = []
    for place in values.argsort(descending=True, stable=True)[:n].tolist():
        window, position = seen.place_of(int(rows[place]))
        before, token, behind = around(model, seen, window, position)
        value = float(values[place])
        found.append(Example(window=window, position=position, value=value, before=before, token=token, behind=behind))
    return tuple(found)


def around(model: Model, seen: Survey, window: int, position: int) -> tuple[str, str, str]:
    """The text before a token, the token, and the text behind it."""
    ids = seen.ids[window].tolist()
    start = max(1, position - AROUND)
    before, behind = ids[start:position], ids[position + 1 : position + 1 + AROUND // 3]
    return model.text(before), model.token_names()[ids[position]], model.text(behind)


def promoted(model: Model, direction: Float[Tensor, " D"]) -> tuple[str, ...]:
    """The tokens for which a direction of the residual stream speaks most, past the last norm's gain."""
    with torch.no_grad():
        gain = model.anatomy.final_norm.weight().to(direction)
        logits = model.anatomy.W_U.to(direction) @ (direction * gain)
    return tuple(model.token_names()[i] for i in logits.topk(min(PROMOTED, len(logits))).indices.tolist())


def behaviours_of(
    pair: Pair, seen: Survey, sizes: Float[Tensor, " F"], classes: Sequence[Class], n: int
) -> tuple[Behaviour, ...]:
    """The tokens with the largest KL(A ‖ B), by the feature that writes most of the difference there.

    `sizes` is ‖d_B − d_A‖ of each feature.
    """
    order = seen.outputs.kl.argsort(descending=True, stable=True)[:n].tolist()
    wanted = set(order)
    responsible: dict[int, tuple[float, int]] = {}
    parts = (seen.codes.values * sizes.to(seen.codes.values)[seen.codes.columns]).tolist()
    for row, column, size in zip(seen.codes.rows.tolist(), seen.codes.columns.tolist(), parts, strict=True):
        if row in wanted and size > responsible.get(row, (0.0, -1))[0]:
            responsible[row] = (size, column)
    groups: dict[int | None, list[int]] = defaultdict(list)
    for token in order:
        groups[responsible[token][1] if token in responsible else None].append(token)
    made = [
        Behaviour(
            feature=feature,
            kind=None if feature is None else classes[feature],
            tokens=len(tokens),
            kl=float(seen.outputs.kl[tokens].sum()),
            contexts=tuple(context_of(pair, seen, token) for token in tokens[:_SHOWN]),
        )
        for feature, tokens in groups.items()
    ]
    return tuple(sorted(made, key=lambda group: -group.kl))


def context_of(pair: Pair, seen: Survey, token: int) -> Context:
    """What both models predict behind a token, and the text that leads there."""
    window, position = seen.place_of(token)
    before, here, _ = around(pair.b, seen, window, position)
    names = pair.b.token_names()
    top_a, top_b = (names[int(top[token])] for top in (seen.outputs.top_a, seen.outputs.top_b))
    kl = float(seen.outputs.kl[token])
    return Context(window=window, position=position, kl=kl, before=before, token=here, top_a=top_a, top_b=top_b)
