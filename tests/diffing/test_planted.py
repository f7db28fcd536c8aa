"""Precision and recall on a difference that is known, and on one that is not there."""

import torch

from gearscope.diffing.planted import NONE, OPEN, Asking, Compared, Flag, Planted, Truth, score
from gearscope.diffing.report import DIFFERENT
from gearscope.diffing.survey import survey
from gearscope.organism.corpus import WorldCorpus

SITES = ("blocks.0.resid_pre",)
SENTENCE = "one word is embedded elsewhere"
IDS = WorldCorpus("held_out", 32).take(40, {"window": 900}).ids


def truth_of(planted) -> Truth:
    """Prompts that end with the word, of which the likeliest next word has become another one."""
    marks = torch.full_like(IDS, NONE)
    marks[planted.token == IDS] = 0
    prompts = [tuple(row[: 1 + row.index(planted.token)]) for row in IDS.tolist() if planted.token in row]
    tops = [[int(model.run(torch.tensor(p)).logits[-1].argmax()) for model in planted.pair] for p in prompts]
    parted = [(prompt, b, a) for prompt, (a, b) in zip(prompts, tops, strict=True) if a != b][:12]
    assert len(parted) > 5
    return Truth(marks, (Planted(SENTENCE, (Asking(*zip(*parted, strict=True)),)),))


def compared(planted, features) -> Compared:
    dictionary = planted.done.dictionary
    codes = survey(planted.pair, dictionary, IDS, SITES, 200).codes
    return Compared(dictionary, SITES, codes, tuple(Flag((i,), 0) for i in features), one_each=False)


def flagged(planted) -> list[int]:
    return [feature.index for feature in planted.done.report.those(*DIFFERENT)]


def test_what_is_planted_is_found(planted):
    found = score(planted.pair, compared(planted, flagged(planted)), truth_of(planted))
    assert (found.precision, found.recall) == (1, 1)
    assert found.flags[0].moves == SENTENCE
    assert found.flags[0].taken > 0.5
    assert abs(found.flags[0].taken_control) < 0.3
    assert found.found_by_chance == 0


def test_changes_are_judged_in_the_same_way(planted):
    changes, dictionary = planted.done.report.changes[:1], planted.done.changes
    sites = tuple(one.site for one in changes[0].turned)
    codes = survey(planted.pair, dictionary, IDS, sites, 200).codes
    flags = tuple(Flag(one.features, sites.index(one.best.site)) for one in changes)
    found = score(planted.pair, Compared(dictionary, sites, codes, flags, one_each=True), truth_of(planted))
    assert (found.precision, found.recall) == (1, 1)


def test_features_elsewhere_are_false_and_nothing_flagged_is_no_precision(planted):
    truth, own = truth_of(planted), flagged(planted)
    others = [i for i in compared(planted, ()).codes.columns.unique().tolist() if i not in own]
    found = score(planted.pair, compared(planted, others[:3]), truth)
    assert (found.precision, found.recall) == (0, 0)
    nothing = score(planted.pair, compared(planted, []), truth)
    assert (nothing.precision, nothing.recall) == (None, 0)


def test_texts_that_are_open_and_what_is_not_shown_are_left_out(planted):
    truth = truth_of(planted)
    asking = truth.changes[0].askings[0]
    turned_round = Planted(SENTENCE, (asking._replace(planted=asking.usual, usual=asking.planted),))
    left_open = Truth(torch.full_like(truth.marks, OPEN), (turned_round,))
    found = score(planted.pair, compared(planted, flagged(planted)), left_open)
    assert (found.precision, found.recall) == (None, None)
    assert not found.changes[0].shown
    assert found.flags[0].planted_texts is None
