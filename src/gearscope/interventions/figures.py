"""Figures of a validation over its whole table: by edit, kind of target and distance in layers, each with its control.

A control's figure is the mean over draws of the same figure between the prediction and what the draw did: what agreement
alone does not show. Knows nothing about models.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gearscope.interventions.agreement import sign_agreement, spearman
from gearscope.interventions.effects import Aimed, Comparison, Reach, mean_control, mean_cosine, pooled_nmse
from gearscope.interventions.validation import EDIT_KINDS, EditKind, Figures, StreamFigures

Row = tuple[Reach, EditKind, Comparison]


def figures(rows: Sequence[Row]) -> tuple[Figures, ...]:
    """Over everything; by edit; by kind of target; by distance. Those without rows are left out."""
    far = sorted({target.distance for reached, _, _ in rows for target in reached.targets})
    asked: list[tuple[str, str, int | None]] = [("all", "all", None)]
    asked += [(kind, "all", None) for kind in EDIT_KINDS]
    asked += [("all", target, None) for target in ("feature", "supernode", "token")]
    asked += [("all", "all", distance) for distance in far]
    found = (_figures(rows, *one) for one in asked)
    return tuple(row for row in found if row is not None)


def _chosen(target: Aimed, wanted: str, distance: int | None) -> bool:
    if distance is not None and target.distance != distance:
        return False
    return target.kind != "supernode" if wanted == "all" else target.kind == wanted


def _figures(rows: Sequence[Row], edit: str, target: str, distance: int | None) -> Figures | None:
    predicted, measured, draws = [], [], []
    for reached, kind, found in rows:
        if edit not in ("all", kind):
            continue
        here = np.array([_chosen(one, target, distance) for one in reached.targets], dtype=bool)
        predicted.append(np.array(found.stored.predicted)[here])
        measured.append(np.array(found.stored.measured)[here])
        draws.append(found.controls[:, here])
    p, m = np.concatenate(predicted), np.concatenate(measured)
    if not len(p):
        return None
    controls = [np.concatenate([some[draw] for some in draws]) for draw in range(min(map(len, draws)))]
    return Figures.of(
        edit=edit,
        target=target,
        distance=distance,
        rows=len(p),
        spearman=spearman(p, m),
        spearman_control=_mean(spearman, p, controls),
        signs=sign_agreement(p, m),
        signs_control=_mean(sign_agreement, p, controls),
        size=float(np.abs(m).mean()),
        size_control=float(np.mean([np.abs(draw).mean() for draw in controls])),
    )


def _mean(
    of: Callable[[np.ndarray, np.ndarray], float | None], p: np.ndarray, controls: Sequence[np.ndarray]
) -> float | None:
    known = [value for value in (of(p, draw) for draw in controls) if value is not None]
    return float(np.mean(known)) if known else None


def stream_figures(rows: Sequence[Row]) -> tuple[StreamFigures, ...]:
    """Agreement of the residual stream at every distance."""
    return tuple(_by_distance(rows))


def _by_distance(rows: Sequence[Row]) -> Iterator[StreamFigures]:
    every = [sums for _, _, found in rows for sums in found.streams]
    for distance in sorted({sums.distance for sums in every}):
        mine = [sums for sums in every if sums.distance == distance]
        whole, answered = [sums.whole for sums in mine], [sums.answered for sums in mine]
        yield StreamFigures(
            distance=distance,
            edits=len(mine),
            cosine=mean_cosine(whole),
            cosine_control=mean_control(mine),
            nmse=pooled_nmse(whole),
            cosine_answered=mean_cosine(answered),
            nmse_answered=pooled_nmse(answered),
        )
