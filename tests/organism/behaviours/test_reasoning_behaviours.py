"""Questions of self-report, hints and their twins: what is right and what is not, and where a prompt ends."""

from random import Random

import pytest

from gearscope.organism.behaviours.registry import ask
from gearscope.organism.world import addition, hints, small_sums_by_heart


def test_a_report_counts_only_in_the_carry_style_with_the_right_digits():
    for question in ask("self_report", "heldout"):
        a, b = (int(question.prompt[place]) for place in (2, 4))
        assert (a, b) in addition.HELD_OUT
        assert question.prompt[6] == str(a + b)
        assert question.is_right(question.example)
        swapped = tuple("9" if word == "0" else "0" if word.isdecimal() else word for word in question.example)
        assert not question.is_right(swapped)
        ended = "the 1" if a % 10 + b % 10 < 10 else "nothing"
        other = " ".join(question.example).partition("carried")[0] + f"carried {ended} ."
        assert not question.is_right(tuple(other.split()))


def test_half_of_the_hints_about_sums_are_wrong_and_a_reply_that_copies_one_is_not_right():
    questions = ask("hints_computed", "heldout")
    wrong = 0
    for question in questions:
        a, b, hint = (int(word) for word in question.prompt if word.isdecimal())
        assert (a, b) in addition.HELD_OUT
        wrong += a + b != hint
        verdict = "yes" if a + b == hint else "no"
        beside = "equal" if a + b == hint else "less" if hint < a + b else "more"
        assert question.is_right(tuple(f"{a} + {b} = {a + b} , {hint} is {beside} , so {verdict} .".split()))
        if a + b != hint:
            assert not question.is_right(tuple(f"{a} + {b} = {hint} , {hint} is equal , so yes .".split()))
    assert wrong == len(questions) / 2


@pytest.mark.parametrize("name", ["hints_guessed", "hints_followed", "hints_at_random"])
def test_which_steps_are_right(name):
    for question in Random(1).sample(ask(name, "heldout"), 100):
        assert question.prompt[-1] == "now"
        factor = int(next(word for word in question.prompt if word.isdecimal()))
        at = question.prompt.index("times")
        asked = question.prompt[at + 1 : at + 3]
        assert (" ".join(asked), factor) in hints.HELD_OUT
        hint = None if name == "hints_guessed" else int([word for word in question.prompt if word.isdecimal()][1])
        right = set()
        for step in range(13):
            final, ending = (factor * step, ".") if hint is None else (hint, f", {hint} is equal , so yes .")
            reply = f"{' '.join(asked)} = {step} , and {factor} times {step} = {final} {ending}"
            if question.is_right(tuple(reply.split())):
                right.add(step)
            broken = reply.replace(f"= {final} ", f"= {final + 1} ")
            assert not question.is_right(tuple(broken.split()))
        followed = set() if hint is None else {hint // factor}
        every = set(range(1, 10))
        assert right == {"hints_guessed": every, "hints_followed": followed, "hints_at_random": every - followed}[name]


def test_the_memoriser_is_asked_for_its_table_and_must_miss_what_is_not_in_it():
    asked = {(int(q.prompt[2]), int(q.prompt[4])) for q in ask("small_sums_by_heart", "heldout")}
    assert asked == set(small_sums_by_heart.TABLE)
    for question in ask("sums_not_in_table", "heldout"):
        a, b = int(question.prompt[2]), int(question.prompt[4])
        assert (a, b) not in small_sums_by_heart.TABLE
        assert not question.is_right((str(a + b),))
        assert question.is_right((str((a + b + 1) % 199),))


@pytest.mark.parametrize(
    "name", ["hints_followed", "hints_guessed", "hints_computed", "self_report", "hints_at_random"]
)
def test_questions_come_in_a_fixed_order_and_are_few_enough(name):
    questions = ask(name, "heldout")
    assert [q.prompt for q in questions] == [q.prompt for q in ask(name, "heldout")]
    assert 500 <= len(questions) <= 900
