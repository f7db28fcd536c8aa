"""Figures of a validation over its whole table: by edit, kind of target and distance in layers, each with a control.

A control's figure is the mean over draws of the same figure between the prediction and what the draw did: what
agreement alone does not show. Knows nothing about models.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gearscope.interventions.agreement import sign_agreement, spearman
from gearscope.interventions.effects import Aimed, Comparison, Reach, mean_control, mean_cosine, pooled_nmse
from gearscope.interventions.validation import EDIT_KINDS, NORMS, Compared, EditKind, Figures, Norms, StreamFigures


class Edited(NamedTuple):
    """One edit of one group: what it reaches, and what came of it with norms held and live."""

    reached: Reach
    kind: EditKind
    held: Comparison
    live: Comparison

    def of(self, norms: Compared) -> tuple[Comparison, Comparison]:
        """Whose prediction is compared with whose measurement."""
        return (self.live if norms == "live" else self.held), (self.held if norms == "held" else self.live)


def figures(rows: Sequence[Edited]) -> tuple[Figures, ...]:
    """Over everything; by edit; by kind of target; by distance. Those without rows are left out."""
    far = sorted({target.distance for row in rows for target in row.reached.targets})
    asked: list[tuple[str, str, int | None]] = [("all", "all", None)]
    asked += [(kind, "all", None) for kind in EDIT_KINDS]
    asked += [("all", target, None) for target in ("feature", "supernode", "token")]
    asked += [("all", "all", distance) for distance in far]
    compared: tuple[Compared, ...] = ("held", "live", "held, then live")
    found = (_figures(rows, norms, *one) for norms in compared for one in asked)
    return tuple(row for row in found if row is not None)


def _chosen(target: Aimed, wanted: str, distance: int | None) -> bool:
    if distance is not None and target.distance != distance:
        return False
    return target.kind != "supernode" if wanted == "all" else target.kind == wanted


def _figures(rows: Sequence[Edited], norms: Compared, edit: str, target: str, distance: int | None) -> Figures | None:
    predicted, measured, draws = [], [], []
    for row in rows:
        if edit not in ("all", row.kind):
            continue
        here = np.array([_chosen(one, target, distance) for one in row.reached.targets], dtype=bool)
        said, done = row.of(norms)
        predicted.append(np.array(said.stored.predicted)[here])
        measured.append(np.array(done.stored.measured)[here])
        draws.append(done.controls[:, here])
    p, m = np.concatenate(predicted), np.concatenate(measured)
    if not len(p):
        return None
    controls = [np.concatenate([some[draw] for some in draws]) for draw in range(min(map(len, draws)))]
    return Figures.of(
        norms=norms,
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


def stream_figures(rows: Sequence[Edited]) -> tuple[StreamFigures, ...]:
    """Agreement of the residual stream at every distance."""
    return tuple(figure for norms in NORMS for figure in _by_distance(rows, norms))


def _by_distance(rows: Sequence[Edited], norms: Norms) -> Iterator[StreamFigures]:
    every = [sums for row in rows for sums in row.of(norms)[0].streams]
    for distance in sorted({sums.distance for sums in every}):
        mine = [sums for sums in every if sums.distance == distance]
        whole, answered = [sums.whole for sums in mine], [sums.answered for sums in mine]
        yield StreamFigures(
            norms=norms,
            distance=distance,
            edits=len(mine),
            cosine=mean_cosine(whole),
            cosine_control=mean_control(mine),
            nmse=pooled_nmse(whole),
            cosine_answered=mean_cosine(answered),
            nmse_answered=pooled_nmse(answered),
        )
