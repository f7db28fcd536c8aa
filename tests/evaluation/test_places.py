"""Labelled tokens are where the text settles a variable, and before its next answer."""

from gearscope.evaluation.places import LEAST, WHERE, Labelled, drawn, places, shuffled, values_of
from gearscope.organism.world.document import Draft


def test_a_sum_is_known_from_its_second_operand_and_asked_for_at_the_sign():
    draft = Draft(phenomenon="addition", kind="calc").say("calc :").say("36", a=36).say("+").say("59", b=59, answer=95)
    document = draft.say("=").conclude("95").finish()
    found = places([document])
    assert found["a", "settled"] == (Labelled(0, 2, 36),)
    assert found["answer", "settled"] == (Labelled(0, 4, 95),)
    assert {found[name, "answer"] for name in ("a", "b", "answer")} == {(Labelled(0, 5, v),) for v in (36, 59, 95)}
    assert [found["a", place][0].word for place in WHERE] == [2, 3, 4, 4, 5]
    assert [found["answer", place][0].word for place in WHERE] == [4, 5, 5, 4, 5]


def test_a_variable_behind_the_last_answer_has_one_place():
    document = Draft(phenomenon="x", kind="x").say("one").conclude("two").say("three", late=1).finish()
    found = places([document])
    assert set(found) == {("late", place) for place in ("settled", "settled+1", "settled+2")}
    assert {word for (_, word, _) in sum(found.values(), ())} == {2}


def test_documents_differ_and_follow_from_the_seed():
    texts = drawn("languages", 60, 0)
    assert len({text.words for text in texts}) == 60
    assert drawn("languages", 60, 0) == texts != drawn("languages", 60, 1)


def test_only_values_that_both_halves_hold_are_asked_for():
    often = [Labelled(number, 0, "often") for number in range(2 * LEAST)]
    even = [Labelled(2 * number, 0, "even") for number in range(3 * LEAST)]
    assert values_of((*often, *even)) == ("often",)


def test_shuffled_values_stay_in_their_half():
    tokens = tuple(Labelled(number, 3, number) for number in range(40))
    mixed = shuffled(tokens)
    assert mixed != tokens
    for side in (0, 1):
        assert sorted(t.value for t in mixed if t.document % 2 == side) == list(range(side, 40, 2))
