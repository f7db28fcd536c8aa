"""What one edit of a validation can reach, and what was predicted, measured and controlled there.

    reach     the targets: features above an edited one and not before it, groups with such members, the graph's tokens
    Done      one run: changes of the targets, sums for the agreement of the residual stream, divergences
    compare   the runs of one edit (several for a resample ablation), averaged, as the table stores them

Knows nothing about plans, batches or figures over many edits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.interventions.agreement import divergence
from gearscope.interventions.compare import target_tokens
from gearscope.interventions.measure import Measured
from gearscope.interventions.response import Response, injected
from gearscope.interventions.scene import Scene
from gearscope.interventions.validation import EditEffect, EditKind, Norms, Plan, StreamRow, TargetKind
from gearscope.interventions.watch import Watched


class Aimed(NamedTuple):
    """One target of an edit."""

    kind: TargetKind
    name: str
    distance: int


class Answer(NamedTuple):
    """The graph's strongest token."""

    token: int
    name: str
    before: float
    """Its probability on the prompt."""


class Reach(NamedTuple):
    """What an edit can reach; `targets` are features, then groups, then tokens."""

    targets: tuple[Aimed, ...]
    watched: Int[Tensor, " W"]
    """Of the watched features, those that are targets."""
    active: Int[Tensor, " A"]
    """The number of every watched feature among the active ones."""
    groups: Float[Tensor, "G A"]
    """What every watched feature counts in each group: v / Σ v²."""
    tokens: Int[Tensor, " T"]
    position: int
    """Where the tokens are read."""
    answer: Answer | None
    last: int
    """The last edited layer."""


def reach(scene: Scene, watched: Watched, plan: Plan, number: int) -> Reach:
    """What edits of one group of the plan can reach."""
    graph, group = scene.graph, plan.groups[number]
    row_of = {graph.nodes.ids[node]: row for row, node in enumerate(watched.node.tolist())}
    edited = [row_of[name] for name in group.ids]
    distance = _distances(watched, edited)
    feature_rows = [row for row, far in enumerate(distance) if far > 0]
    values = scene.replacement.active.value[watched.active]
    weights, targets = (
        [],
        [Aimed("feature", graph.nodes.ids[int(watched.node[row])], distance[row]) for row in feature_rows],
    )
    for other in plan.groups:
        rows = [row_of[name] for name in other.ids]
        reached = [row for row in rows if distance[row] > 0]
        size = float(values[rows].square().sum())
        if plan.groups_are == "supernodes" and other is not group and reached and size > 0:
            weight = torch.zeros_like(values)
            weight[reached] = values[reached] / size
            weights.append(weight)
            targets.append(Aimed("supernode", other.name, min(distance[row] for row in reached)))
    tokens, position = target_tokens(graph, scene.prompt.n_layers)
    far = scene.prompt.n_layers - group.held_to
    targets += [Aimed("token", node_id, far) for node_id in tokens.values()]
    return Reach(
        targets=tuple(targets),
        watched=torch.tensor(feature_rows, dtype=torch.long),
        active=watched.active,
        groups=torch.stack(weights) if weights else values.new_zeros(0, len(values)),
        tokens=torch.tensor(list(tokens), dtype=torch.long),
        position=position,
        answer=_answer(scene, list(tokens), position),
        last=group.held_to,
    )


def _distances(watched: Watched, edited: Sequence[int]) -> list[int]:
    """Layers from the nearest edited feature below at no later position; 0 where there is none, and for the edited."""
    places = [(int(watched.layer[row]), int(watched.position[row])) for row in edited]
    mine = set(edited)
    found = []
    for row, (layer, position) in enumerate(zip(watched.layer.tolist(), watched.position.tolist(), strict=True)):
        below = [at for at, where in places if at < layer and where <= position]
        found.append(layer - max(below) if below and row not in mine else 0)
    return found


def _answer(scene: Scene, tokens: Sequence[int], position: int) -> Answer | None:
    if not tokens:
        return None
    shares = scene.prompt.logits[position].double().softmax(-1)
    token = max(tokens, key=lambda one: float(shares[one]))
    return Answer(token, scene.model.token_names()[token], float(shares[token]))


class StreamSums(NamedTuple):
    """Inner products of predicted (p) and measured (m) changes of the stream at one distance."""

    distance: int
    whole: tuple[float, float, float]
    """⟨p, m⟩, ‖p‖², ‖m‖²."""
    answered: tuple[float, float, float]
    """The same without what the edit itself put there."""
    control: float | None
    """Mean cosine of p and what the controls did."""


class Done(NamedTuple):
    """One run of an edit."""

    predicted: Float[np.ndarray, " T"]
    measured: Float[np.ndarray, " T"]
    controls: Float[np.ndarray, "C T"]
    streams: tuple[StreamSums, ...]
    answer: tuple[float, float]
    """Probability of the answer after the edit, and the mean after the controls; of nothing, 0."""
    kl: tuple[float, float, float, float]
    """KL(before ‖ after), the controls' mean, KL(after ‖ predicted), KL(after ‖ before)."""
    written_norm: float

    @classmethod
    def of(
        cls,
        scene: Scene,
        reached: Reach,
        measured: Measured,
        values: Float[Tensor, "B A"],
        whole: Float[Tensor, "L P D"],
        response: Response,
        rows: range,
    ) -> "Done":
        """Row 0 of the batch is the unedited run, the first of `rows` the edit, the others its controls."""
        here = list(rows)
        at, unembed = reached.position, scene.prompt.W_U
        read = unembed[reached.tokens] - unembed.mean(0)
        moved = values[here] - values[0]
        final = measured.final_in[here, at] - measured.final_in[0, at]
        changes = (
            torch.cat([moved[:, reached.watched], moved @ reached.groups.T, final @ read.T], 1).double().cpu().numpy()
        )
        value = response.value[reached.active]
        said = [value[reached.watched], reached.groups @ value, read @ response.final_in[at]]
        return cls(
            predicted=torch.cat(said).double().cpu().numpy(),
            measured=changes[0],
            controls=changes[1:],
            streams=_stream_sums(scene, reached, measured, whole, response, here),
            answer=_answers(reached, measured, here),
            kl=_divergences(scene, reached, measured, response, here),
            written_norm=float(whole.norm()),
        )


def _stream_sums(
    scene: Scene, reached: Reach, measured: Measured, whole: Float[Tensor, "L P D"], response: Response, rows: list[int]
) -> tuple[StreamSums, ...]:
    assert measured.streams is not None, "streams were read"
    n_layers, found = scene.prompt.n_layers, []
    put = injected(scene.prompt, scene.replacement, whole)
    for layer in range(reached.last + 1, n_layers + 1):
        if layer < n_layers:
            places, expected, own = measured.streams[layer], response.streams[layer], put[layer]
        else:
            places, expected = measured.final_in, response.final_in
            own = scene.prompt.final_norm.linear(put[-1])
        moved = places[rows] - places[0]
        cosines = [_cosine(_products(expected, other)) for other in moved[1:]]
        known = [cosine for cosine in cosines if cosine is not None]
        found.append(
            StreamSums(
                distance=layer - reached.last,
                whole=_products(expected, moved[0]),
                answered=_products(expected - own, moved[0] - own),
                control=sum(known) / len(known) if known else None,
            )
        )
    return tuple(found)


def _products(p: Float[Tensor, "P D"], m: Float[Tensor, "P D"]) -> tuple[float, float, float]:
    p, m = p.double(), m.double()
    return float((p * m).sum()), float(p.square().sum()), float(m.square().sum())


def _cosine(products: tuple[float, float, float]) -> float | None:
    both, p, m = products
    return both / (p * m) ** 0.5 if p > 0 and m > 0 else None


def _nmse(products: tuple[float, float, float]) -> float | None:
    both, p, m = products
    return max(0.0, p + m - 2 * both) / m if m > 0 else None


def _answers(reached: Reach, measured: Measured, rows: list[int]) -> tuple[float, float]:
    if reached.answer is None:
        return 0.0, 0.0
    shares = measured.logits[rows, reached.position].double().softmax(-1)[:, reached.answer.token]
    return float(shares[0]), float(shares[1:].mean())


def _divergences(
    scene: Scene, reached: Reach, measured: Measured, response: Response, rows: list[int]
) -> tuple[float, float, float, float]:
    at, prompt = reached.position, scene.prompt
    before, after = measured.logits[0, at], measured.logits[rows, at]
    uncapped = (measured.final_in[0, at] + response.final_in[at]) @ prompt.W_U.T
    predicted = uncapped if prompt.b_U is None else uncapped + prompt.b_U
    cap = scene.model.anatomy.final_softcap
    predicted = predicted if cap is None else cap * torch.tanh(predicted / cap)
    moved = divergence(before, after)
    left = divergence(after[0], torch.stack([predicted, before]))
    return float(moved[0]), float(moved[1:].mean()), float(left[0]), float(left[1])


class Comparison(NamedTuple):
    """One edit of one group."""

    stored: EditEffect
    controls: Float[np.ndarray, "C T"]
    """Every draw."""
    streams: tuple[StreamSums, ...]
    """Of all its runs, one after the other."""


def compare(kind: EditKind, norms: Norms, runs: Sequence[Done]) -> Comparison:
    """The mean over an edit's runs. Numbers are kept to five digits."""
    predicted, measured = (np.mean([getattr(run, name) for run in runs], axis=0) for name in ("predicted", "measured"))
    controls = np.concatenate([run.controls for run in runs])
    kl, kl_control, kl_left, kl_unpredicted = np.mean([run.kl for run in runs], axis=0).tolist()
    answer, answer_control = np.mean([run.answer for run in runs], axis=0).tolist()
    streams = tuple(sums for run in runs for sums in run.streams)
    stored = EditEffect(
        kind=kind,
        norms=norms,
        written_norm=_short(float(np.mean([run.written_norm for run in runs]))),
        predicted=tuple(map(_short, predicted.tolist())),
        measured=tuple(map(_short, measured.tolist())),
        control=tuple(map(_short, controls.mean(0).tolist())),
        streams=tuple(_stream_row(streams, far) for far in sorted({sums.distance for sums in streams})),
        answer=answer,
        answer_control=answer_control,
        kl=kl,
        kl_control=kl_control,
        kl_left=kl_left,
        kl_unpredicted=kl_unpredicted,
    )
    return Comparison(stored, controls, streams)


def _stream_row(streams: Sequence[StreamSums], distance: int) -> StreamRow:
    mine = [sums for sums in streams if sums.distance == distance]
    return StreamRow(
        distance=distance,
        cosine=mean_cosine([sums.whole for sums in mine]),
        nmse=pooled_nmse([sums.whole for sums in mine]),
        cosine_answered=mean_cosine([sums.answered for sums in mine]),
        nmse_answered=pooled_nmse([sums.answered for sums in mine]),
        cosine_control=mean_control(mine),
    )


def mean_cosine(products: Sequence[tuple[float, float, float]]) -> float | None:
    """Over the runs in which something was predicted and something happened."""
    known = [cosine for cosine in map(_cosine, products) if cosine is not None]
    return _short(sum(known) / len(known)) if known else None


def mean_control(streams: Sequence[StreamSums]) -> float | None:
    """The mean cosine of predictions and controls."""
    known = [sums.control for sums in streams if sums.control is not None]
    return _short(sum(known) / len(known)) if known else None


def pooled_nmse(products: Sequence[tuple[float, float, float]]) -> float | None:
    """Of all runs together: what is missed of all that happened."""
    found = _nmse((sum(row[0] for row in products), sum(row[1] for row in products), sum(row[2] for row in products)))
    return None if found is None else _short(found)


def _short(value: float) -> float:
    return float(f"{value:.5g}")
