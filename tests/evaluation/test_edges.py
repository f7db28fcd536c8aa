"""Edges beside true ones: figures by hand, contrasts, and the whole on a few prompts."""

from itertools import islice

import numpy as np
import pytest

from gearscope.evaluation.contrasts import KINDS, contrasts
from gearscope.evaluation.edge_figures import Counts, average_precision, counted, shuffled, together
from gearscope.evaluation.edges import _moved, beliefs, edge_rows, truths
from gearscope.evaluation.path_patching import Grid
from gearscope.workbench import Workbench


def test_counts_and_their_figures() -> None:
    found = counted(np.array([True, True, True, False]), np.array([True, False, False, True]))
    assert found == Counts(1, 2, 1)
    assert (found.precision, found.recall, found.f1) == (pytest.approx(1 / 3), 0.5, pytest.approx(2 / 5))
    assert together([found, found]) == Counts(2, 4, 2)
    assert (Counts().precision, Counts().recall, Counts().f1) == (None, None, None)


def test_average_precision_takes_equal_scores_at_once() -> None:
    true = np.array([True, False, True, False])
    assert average_precision(np.array([4.0, 3, 2, 1]), true) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(4), true) == pytest.approx(0.5)
    assert average_precision(np.zeros(4), np.zeros(4, dtype=bool)) is None


def test_random_edges_keep_their_classes() -> None:
    rng = np.random.default_rng(0)
    predicted, classes = rng.random(200) < 0.2, rng.integers(0, 4, 200)
    drawn = shuffled(predicted, classes, rng)
    assert (drawn != predicted).any()
    assert [drawn[classes == c].sum() for c in range(4)] == [predicted[classes == c].sum() for c in range(4)]


def test_edges_of_another_prompt_count_positions_from_the_end() -> None:
    of, to = Grid(2, 5), Grid(2, 3)
    edges = np.zeros((of.senders, of.receivers), dtype=bool)
    for sender, receiver in (
        (of.sender(-1, 3), of.receiver(0, 4)),
        (of.sender(0, 4), of.receivers - 1),
        (of.sender(-1, 1), of.receiver(1, 4)),
    ):
        edges[sender, receiver] = True
    wanted = np.zeros((to.senders, to.receivers), dtype=bool)
    wanted[to.sender(-1, 1), to.receiver(0, 2)] = wanted[to.sender(0, 2), -1] = True
    assert (_moved(edges, of, to) == wanted).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_contrasts_share_the_frame_and_nothing_that_decides(kind: str, split) -> None:
    found = list(islice(contrasts(kind, split, 0), 3))
    assert found == list(islice(contrasts(kind, split, 0), 3))
    for prompt in found:
        changed = {tuple(a != b for a, b in zip(prompt.asked.ids, o.ids, strict=True)) for o in prompt.others}
        assert all(not prompt.asked.right & other.right for other in prompt.others)
        wanted = {"sums": 2, "chains": 3, "names": 3, "rhymes": 1}[kind]
        assert all(1 <= sum(places) <= max(wanted, 2) for places in changed)


def test_rows_of_a_few_prompts() -> None:
    known = truths(Workbench.open().model, counts={"sums": 2, "names": 1})
    bench = Workbench.open(basis="clt")
    rows = list(edge_rows(bench.basis, known, beliefs(bench, known)))
    assert [row.kind for row in rows if (row.held, row.rule, row.share) == ("nothing", "strong", 0.02)] == [
        "sums",
        "names",
        "all",
    ]
    strong = next(row for row in rows if row.kind == "sums" and row.rule == "strong" and row.share == 0.02)
    assert strong.prompts == 2
    assert 0 < strong.true < strong.asked
    assert strong.found.f1 is not None
    assert strong.controls.random is not None
    assert strong.found.f1 > strong.controls.random
    assert rows == list(edge_rows(bench.basis, known, beliefs(bench, known)))
    alone = next(row for row in rows if row.kind == "names")
    assert alone.controls.same_kind is None, "there is no other prompt of the kind"
    assert alone.controls.other_kind is not None
