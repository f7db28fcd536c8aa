"""Edges of circuits beside the paths of the running model, node by node of (layer, position). Decision 0024.

    truths      path patching from two contrasts of every prompt (`path_patching.py`, `contrasts.py`): the model alone
    believed    a graph's edges between the same nodes: the share of the influence that they hold, and which are kept
    edge_rows   precision, recall, F1 and areas, beside edges at random and the graphs of other prompts

Everything was fixed on prompts of training.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from gearscope.attribution.expand import Progress
from gearscope.evaluation.auroc import auroc
from gearscope.evaluation.contrasts import KINDS, Contrast, contrasts
from gearscope.evaluation.edge_figures import Counts, average_precision, counted, mean_of, shuffled, together
from gearscope.evaluation.path_patching import HELD, Grid, Held, PathEffects, path_effects
from gearscope.evaluation.proof_report import EdgeControls, EdgeFigures, EdgeRow, EdgeRule
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.influence import edge_scores
from gearscope.graph.nodes import NodeKind
from gearscope.graph.prune import prune
from gearscope.models.model import Model
from gearscope.organism.world.document import Split
from gearscope.workbench import Workbench

COUNTS = {"sums": 7, "chains": 6, "names": 6, "rhymes": 6}
"""Prompts of each kind."""
SHARES = (0.01, 0.02, 0.05)
RULES: tuple[EdgeRule, ...] = ("kept", "strong")
_DRAWS = 20


class Truth(NamedTuple):
    """One prompt's paths, from each of its contrasts, by what was held."""

    contrast: Contrast
    paths: Mapping[Held, tuple[PathEffects, ...]]

    @property
    def grid(self) -> Grid:
        """Its nodes."""
        return self.paths["nothing"][0].grid

    def asked(self, held: Held) -> Bool[np.ndarray, "S R"]:
        """The pairs that some contrast can say something about."""
        return np.any([paths.reached for paths in self.paths[held]], axis=0)

    def shares(self, held: Held) -> list[Float[np.ndarray, "S R"]]:
        """The size of every effect, from each contrast, as a share of what the whole contrast changes."""
        return [np.abs(paths.effect / paths.total) for paths in self.paths[held]]


class Believed(NamedTuple):
    """What a graph says of the same pairs."""

    share: Float[np.ndarray, "S R"]
    """Of the influence, held by the edges between two nodes in the unpruned graph."""
    kept: Bool[np.ndarray, "S R"]
    """Whether the default pruning keeps one of them."""

    def edges(self, rule: EdgeRule, share: float) -> Bool[np.ndarray, "S R"]:
        """The edges by one of the rules."""
        return self.kept if rule == "kept" else self.share >= share


def truths(
    model: Model,
    *,
    counts: Mapping[str, int] = COUNTS,
    split: Split = "heldout",
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Truth]:
    """The paths of the prompts that the model answers rightly, they and their contrasts."""
    found: list[Truth] = []
    for kind, count in counts.items():
        first = len(found)
        for contrast in contrasts(kind, split, seed):
            if len(found) - first == count:
                break
            truth = truth_of(model, contrast)
            found += [] if truth is None else [truth]
            if progress is not None:
                progress("prompts patched", len(found))
    return found


def truth_of(model: Model, contrast: Contrast) -> Truth | None:
    """The paths of one prompt; None where it or a contrast is not answered rightly."""
    asked = (contrast.asked, *contrast.others)
    records = [model.record(torch.tensor(some.ids)) for some in asked]
    answers = [int(record.logits[-1].argmax()) for record in records]
    if not all(answer in some.right for answer, some in zip(answers, asked, strict=True)):
        return None
    base, *sources = records
    paths: dict[Held, tuple[PathEffects, ...]] = {
        held: tuple(
            path_effects(model, base, source, (answers[0], answer), held)
            for source, answer in zip(sources, answers[1:], strict=True)
        )
        for held in HELD
    }
    return Truth(contrast, paths)


def believed(graph: AttributionGraph, grid: Grid) -> Believed:
    """An unpruned graph's edges between nodes of the grid."""
    scores = edge_scores(graph.nodes, graph.adjacency, graph.rest_abs, graph.node_influence())
    pruned = prune(graph)
    weight = graph.target_weight.sum()
    kept = _between(pruned, grid, np.ones(pruned.adjacency.nnz))
    return Believed(_between(graph, grid, scores) / weight, kept > 0)


def _between(graph: AttributionGraph, grid: Grid, values: Float[np.ndarray, " E"]) -> Float[np.ndarray, "S R"]:
    """Values of a graph's edges added up by the nodes that they join; constants are not among them."""
    nodes, edges = graph.nodes, graph.adjacency.tocoo()
    kind, layer, position = nodes.kind, nodes.layer, nodes.position
    features, targets = kind == str(NodeKind.FEATURE), kind == str(NodeKind.TARGET)
    mlps = features | (kind == str(NodeKind.ERROR))
    sender = np.where(mlps, grid.sender(layer, position), -1)
    sender = np.where(kind == str(NodeKind.TOKEN), grid.sender(-1, position), sender)
    receiver = np.where(features, grid.receiver(layer, position), -1)
    receiver = np.where(targets, grid.receivers - 1, receiver)
    found = (sender[edges.col] >= 0) & (receiver[edges.row] >= 0)
    pair = sender[edges.col[found]] * grid.receivers + receiver[edges.row[found]]
    total = np.bincount(pair, weights=values[found], minlength=grid.senders * grid.receivers)
    return total.reshape(grid.senders, grid.receivers)


def beliefs(bench: Workbench, known: Sequence[Truth], progress: Progress | None = None) -> list[Believed]:
    """What the bench's graphs of these prompts say."""
    found = []
    for truth in known:
        graph = bench.trace(truth.contrast.asked.ids, everything=True, heads=False)
        found.append(believed(graph, truth.grid))
        if progress is not None:
            progress(f"graphs traced in {bench.basis}", len(found))
    return found


def edge_rows(basis: str, known: Sequence[Truth], said: Sequence[Believed], *, seed: int = 0) -> Iterator[EdgeRow]:
    """The figures of one basis: by kind and together, by what was held, rule and share."""
    prompts = [_Prompt(truth, graph) for truth, graph in zip(known, said, strict=True)]
    groups = [[prompt for prompt in prompts if prompt.kind == kind] for kind in KINDS] + [prompts]
    for group in (some for some in groups if some):
        for held, rule, share in product(HELD, RULES, SHARES):
            yield _row(basis, group, prompts, _Question(held, rule, share), seed)


class _Question(NamedTuple):
    held: Held
    rule: EdgeRule
    share: float


class _Prompt(NamedTuple):
    truth: Truth
    graph: Believed

    @property
    def kind(self) -> str:
        return self.truth.contrast.kind

    def true(self, held: Held, share: float, contrasts: slice = slice(None)) -> Bool[np.ndarray, "S R"]:
        """The true edges, in the mean over some of the contrasts."""
        return np.mean(self.truth.shares(held)[contrasts], axis=0) >= share

    def counted(self, predicted: Bool[np.ndarray, "S R"], asked: _Question) -> Counts:
        """Predicted edges beside the true ones, where something is asked."""
        here = self.truth.asked(asked.held)
        return counted(predicted[here], self.true(asked.held, asked.share)[here])


def _row(basis: str, group: Sequence[_Prompt], prompts: Sequence[_Prompt], question: _Question, seed: int) -> EdgeRow:
    held, rule, share = question
    found = together(prompt.counted(prompt.graph.edges(rule, share), question) for prompt in group)
    precisions, areas = zip(*(_areas(prompt, question) for prompt in group), strict=True)
    return EdgeRow(
        basis=basis,
        kind=group[0].kind if len({prompt.kind for prompt in group}) == 1 else "all",
        held=held,
        rule=rule,
        share=share,
        prompts=len(group),
        asked=sum(int(prompt.truth.asked(held).sum()) for prompt in group),
        true=int(found.right + found.missed),
        found=EdgeFigures(precision=found.precision, recall=found.recall, f1=found.f1),
        controls=EdgeControls(
            random=_at_random(group, question, seed).f1,
            same_kind=_others(group, prompts, question, same=True).f1,
            other_kind=_others(group, prompts, question, same=False).f1,
        ),
        average_precision=mean_of(precisions),
        auroc=mean_of(areas),
        contrasts=together(_between_contrasts(prompt, question) for prompt in group).f1,
        held_beside_live=together(
            prompt.counted(prompt.true("attention and norms", share), question._replace(held="nothing"))
            for prompt in group
        ).f1,
    )


def _areas(prompt: _Prompt, question: _Question) -> tuple[float | None, float | None]:
    """Average precision and AUROC of the share of the influence."""
    here = prompt.truth.asked(question.held)
    score, true = prompt.graph.share[here], prompt.true(question.held, question.share)[here]
    if not true.any() or true.all():
        return None, None
    area = auroc(torch.tensor(score)[:, None].float(), torch.tensor(true)[:, None])
    return average_precision(score, true), float(area)


def _between_contrasts(prompt: _Prompt, question: _Question) -> Counts:
    """The first contrast's edges as if they were predicted, the second's as truth."""
    first, second = (prompt.true(question.held, question.share, slice(i, i + 1)) for i in range(2))
    here = prompt.truth.asked(question.held)
    return counted(first[here], second[here])


def _at_random(group: Sequence[_Prompt], question: _Question, seed: int) -> Counts:
    """Random pairs with the layers of the predicted ones, many times."""
    rng, counts = np.random.default_rng(seed), []
    for prompt in group:
        here, grid = prompt.truth.asked(question.held), prompt.truth.grid
        predicted = prompt.graph.edges(question.rule, question.share)[here]
        true = prompt.true(question.held, question.share)[here]
        sender, receiver = (number[here] // grid.n_positions for number in np.indices(here.shape))
        layers = sender * (grid.n_layers + 1) + receiver
        counts += [counted(shuffled(predicted, layers, rng), true) for _ in range(_DRAWS)]
    return together(counts)


def _others(group: Sequence[_Prompt], prompts: Sequence[_Prompt], question: _Question, *, same: bool) -> Counts:
    """The edges of another prompt's graph, the next one of the same or of another kind."""
    counts = []
    for prompt in group:
        at = next(i for i, other in enumerate(prompts) if other is prompt)
        order = [*prompts[at + 1 :], *prompts[:at]]
        other = next((some for some in order if (some.kind == prompt.kind) == same), None)
        if other is not None:
            edges = other.graph.edges(question.rule, question.share)
            counts.append(prompt.counted(_moved(edges, other.truth.grid, prompt.truth.grid), question))
    return together(counts)


def _moved(edges: Bool[np.ndarray, "S R"], of: Grid, to: Grid) -> Bool[np.ndarray, "S2 R2"]:
    """Edges of one prompt between the nodes of another, positions counted from the end."""
    moved = np.zeros((to.senders, to.receivers), dtype=bool)
    sender, receiver = np.nonzero(edges)
    ends = receiver == of.receivers - 1
    shift = to.n_positions - of.n_positions
    sends, reads = sender % of.n_positions + shift, np.where(ends, 0, receiver % of.n_positions + shift)
    there = (sends >= 0) & (reads >= 0)
    new_sender = to.sender(sender // of.n_positions - 1, sends)
    new_receiver = np.where(ends, to.receivers - 1, to.receiver(receiver // of.n_positions, reads))
    moved[new_sender[there], new_receiver[there]] = True
    return moved
