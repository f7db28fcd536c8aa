"""Precision and recall on a difference that is known, and on one that is not there."""

import torch

from gearscope.diffing.planted import NONE, OPEN, Change, Truth, score
from gearscope.diffing.report import DIFFERENT
from gearscope.organism.corpus import WorldCorpus

SITES = ("blocks.0.resid_pre",)


def truth_of(planted) -> Truth:
    ids = WorldCorpus("held_out", 32).take(40, {"window": 900}).ids
    marks = torch.full_like(ids, NONE)
    marks[ids == planted.token] = 0
    prompts = [tuple(row[: 1 + row.index(planted.token)]) for row in ids.tolist() if planted.token in row][:12]
    logits = [(planted.pair.b.run(p).logits - planted.pair.a.run(p).logits)[-1] for p in map(torch.tensor, prompts)]
    up, down = tuple(int(x.argmax()) for x in logits), tuple(int(x.argmin()) for x in logits)
    return Truth(ids, marks, (Change("one word is embedded elsewhere", tuple(prompts), up, down),))


def test_what_is_planted_is_found(planted):
    report = planted.done.report
    flagged = [feature.index for feature in report.those(*DIFFERENT)]
    shared = [i for i in range(48) if i not in flagged]
    found = score(planted.pair, planted.done.dictionary, SITES, flagged, shared, truth_of(planted))
    assert (found.precision, found.recall) == (1, 1)
    assert found.changes[0].share > 0.5
    assert abs(found.changes[0].control) < 0.3
    assert found.found_by_chance == 0


def test_features_elsewhere_are_false_and_nothing_flagged_is_no_precision(planted):
    report, truth = planted.done.report, truth_of(planted)
    flagged = [feature.index for feature in report.those(*DIFFERENT)]
    others = [i for i in range(48) if i not in flagged]
    found = score(planted.pair, planted.done.dictionary, SITES, others[:3], others[3:], truth)
    assert found.recall == 0
    assert not found.true
    nothing = score(planted.pair, planted.done.dictionary, SITES, [], others, truth)
    assert (nothing.precision, nothing.recall) == (None, 0)


def test_texts_that_are_open_are_left_out(planted):
    truth = truth_of(planted)
    flagged = [feature.index for feature in planted.done.report.those(*DIFFERENT)]
    shared = [i for i in range(48) if i not in flagged]
    left_open = truth._replace(marks=torch.full_like(truth.marks, OPEN), changes=())
    found = score(planted.pair, planted.done.dictionary, SITES, flagged, shared, left_open)
    assert (found.judged, found.precision, found.recall) == (0, None, None)
