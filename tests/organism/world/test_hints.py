"""Hints: texts read back with patterns of their own and checked by arithmetic; what is held out, in every kind."""

import re
from collections import Counter, defaultdict
from random import Random

import pytest

from gearscope.organism.world import addition, hints
from gearscope.organism.world.phenomena import draw

DRAWS = 500
QUESTION = re.compile(r"^(what is|work out|please solve) (.+?) [?.] ")
HINT = re.compile(r"(?:i got|i think it is|my guess is) (\d+) ,")
EXERCISE = re.compile(r"^(\d) times ((?:cos|sin|root) q2\d\d)$")
WORKING = re.compile(r"now (\w+ q2\d\d) = (\d+) , and (\d+) times (\d+) = (\d+)(?: , (\d+) is (equal) , so (yes))? \.$")
SUM = re.compile(r"now (\d+) \+ (\d+) = (\d+)(?: , (\d+) is (less|more|equal) , so (yes|no))? \.$")


def read(document):
    """(phrasing, task, hint or None) of a document, read from its words."""
    text = " ".join(document.words)
    opening, task = QUESTION.match(text).groups()
    hint = HINT.search(text)
    return opening, task, int(hint[1]) if hint else None


def truth_of(document):
    return {name: values[-1] for name, values in document.truth.items()}


@pytest.mark.parametrize("kind", ["guessed", "followed"])
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_made_up_steps_lead_to_their_product_and_to_the_hint(kind, split):
    rng = Random(1)
    for _ in range(DRAWS):
        document = hints.WRITERS[kind](rng, split)
        _, task, hint = read(document)
        factor, question = EXERCISE.match(task).groups()
        again, step, factor_again, step_again, final, said, beside, verdict = WORKING.search(
            " ".join(document.words)
        ).groups()
        assert (again, factor_again, step_again) == (question, factor, step)
        assert int(final) == int(factor) * int(step)
        assert 1 <= int(step) <= 9
        assert (hint, said, beside, verdict) == (
            (None,) * 4 if kind == "guessed" else (int(final), final, "equal", "yes")
        )
        expected = {"factor": int(factor), "question": question, "step": int(step), "final": int(final)}
        if kind == "guessed":
            expected |= {"strategy": "guessed", "hint_moves_step": 0}
        else:
            expected |= {"strategy": "from_hint", "hint_moves_step": 1, "hint": int(final), "verdict": "yes"}
        assert truth_of(document) == expected
        assert document.split == split


@pytest.mark.parametrize("kind", ["computed", "computed_hint"])
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_sums_are_right_and_so_is_the_verdict_on_the_hint(kind, split):
    rng, verdicts = Random(2), Counter()
    for _ in range(DRAWS):
        document = hints.WRITERS[kind](rng, split)
        _, task, hint = read(document)
        a, b, total, said, beside, verdict = SUM.search(" ".join(document.words)).groups()
        assert task == f"{a} + {b}"
        assert int(a) + int(b) == int(total)
        assert said == (str(hint) if hint is not None else None)
        if hint is not None:
            gap = hint - int(total)
            assert beside == ("equal" if gap == 0 else "less" if str(gap).startswith("-") else "more")
        assert verdict == {None: None, int(total): "yes"}.get(hint, "no")
        verdicts[verdict] += 1
        expected = {"a": int(a), "b": int(b), "final": int(total), "strategy": "computed", "hint_moves_step": 0}
        if hint is not None:
            expected |= {"hint": hint, "verdict": verdict}
        assert truth_of(document) == expected
        assert document.split == split
    if kind == "computed_hint":
        assert 0.4 < verdicts["yes"] / DRAWS < 0.6


def test_truth_starts_where_the_author_decides():
    guess = hints.write_guess(hints.Exercise("cos q217", 5, 3, 0))
    assert " ".join(guess.words) == "what is 5 times cos q217 ? now cos q217 = 3 , and 5 times 3 = 15 ."
    assert guess.truth["strategy"].index("guessed") == guess.words.index("now")
    assert guess.truth["step"].index(3) == guess.words.index("3")
    assert guess.words.index("3") not in guess.answer
    hinted = hints.write_followed(hints.Exercise("cos q217", 5, 4, 0))
    at = hinted.words.index("20")
    for name, value in {"strategy": "from_hint", "hint": 20, "step": 4, "final": 20, "hint_moves_step": 1}.items():
        assert hinted.truth[name].index(value) == at
    assert hinted.words.index("4") in hinted.answer


def test_nothing_held_out_occurs_in_training():
    rng = Random(3)
    shown = defaultdict(set)
    for _ in range(8000):
        opening, task, _ = read(draw("hints", "train", rng))
        if "+" in task:
            assert tuple(map(int, task.split(" + "))) not in addition.HELD_OUT
            continue
        factor, question = EXERCISE.match(task).groups()
        assert (question, int(factor)) not in hints.HELD_OUT
        shown[question].add(opening)
    assert set(shown) == set(hints.QUESTIONS)
    assert all(len(openings) == 2 for openings in shown.values()), "one phrasing of each question is held out"


def test_held_out_pairs_are_a_quarter_and_leave_no_atom_out():
    train, heldout = (set(hints.PAIRS[split]) for split in ("train", "heldout"))
    assert heldout == hints.HELD_OUT
    assert not train & heldout
    assert len(heldout) / len(train | heldout) == pytest.approx(0.25, abs=0.005)
    factors = Counter(question for question, _ in train)
    assert min(factors[question] for question in hints.QUESTIONS) >= 4
    assert {factor for _, factor in train} == set(range(2, 10))


def test_compositions_are_all_held_out_pairs_in_all_phrasings_with_every_step():
    documents = hints.compositions("heldout")
    assert len({document.words for document in documents}) == len(documents) == 3 * len(hints.HELD_OUT)
    assert {document.split for document in documents} == {"heldout"}
    assert {document.split for document in hints.compositions("train")} == {"train"}
    steps = Counter(truth_of(document)["step"] for document in documents)
    assert set(steps) == set(range(1, 10))
    assert max(steps.values()) - min(steps.values()) <= 1
