"""Labelled tokens are where the text settles a variable, before its next answer, and where maps say that it is."""

from gearscope.evaluation.forms import Form
from gearscope.evaluation.places import LEAST, MOST_VALUES, WANTED, Labelled, drawn, often, places, settled, shuffled
from gearscope.organism.world.document import Draft

FIXED = ("settled", "settled+1", "settled+2", "answer-1", "answer")


def test_a_sum_is_known_from_its_second_operand_and_asked_for_at_the_sign():
    draft = Draft(phenomenon="addition", kind="calc").say("calc :").say("36", a=36).say("+").say("59", b=59, answer=95)
    document = draft.say("=").conclude("95").finish()
    found = places([document])
    assert found["a", "settled"] == (Labelled(0, 2, 36),)
    assert found["answer", "settled"] == (Labelled(0, 4, 95),)
    assert {found[name, "answer"] for name in ("a", "b", "answer")} == {(Labelled(0, 5, v),) for v in (36, 59, 95)}
    assert [found["a", place][0].word for place in FIXED] == [2, 3, 4, 4, 5]
    assert [found["answer", place][0].word for place in FIXED] == [4, 5, 5, 4, 5]


def test_a_variable_behind_the_last_answer_has_one_place():
    document = Draft(phenomenon="x", kind="x").say("one").conclude("two").say("three", late=1).finish()
    found = places([document])
    assert set(found) == {("late", place) for place in ("settled", "settled+1", "settled+2")}
    assert {word for (_, word, _) in sum(found.values(), ())} == {2}


def test_a_value_that_an_answer_says_is_asked_for_before_it():
    draft = Draft(phenomenon="x", kind="x").say("my toy ?", liked="red jeep", other="red").conclude("a fine question")
    document = draft.conclude("red jeep").finish()
    found = places([document])
    assert found["liked", "said"] == (Labelled(0, 5, "red jeep"),)
    assert found["other", "said"] == (Labelled(0, 5, "red"),)


def test_where_only_some_values_are_said_none_is_asked_for_there():
    """`carried the 1`, but `carried nothing`: the word before would give the value away."""
    texts = []
    for carry, words in ((1, "the 1"), (0, "nothing")):
        draft = Draft(phenomenon="x", kind="x").say("sum", carry=carry).conclude("carried")
        texts.append(draft.conclude(words).finish())
    assert ("carry", "said") in places(texts[:1])
    assert ("carry", "said") not in places(texts)


def test_where_a_map_carries_a_variable_documents_of_its_form_are_asked():
    form = Form("x", "state_in_quiz", ("quiz", None, "?"), {"mark": 2})
    asked = (
        Draft(phenomenon="x", kind="x").say("quiz texas", state="texas", other=1).say("?").conclude("austin").finish()
    )
    plain = Draft(phenomenon="x", kind="x").say("in texas", state="texas", other=1).say("it").conclude("rains").finish()
    found = places([plain, asked], [form])
    assert found["state", "state_in_quiz:mark"] == (Labelled(1, 2, "texas"),)
    assert ("other", "state_in_quiz:mark") not in found


def test_documents_differ_and_follow_from_the_seed():
    texts = drawn("languages", 60, 0).documents
    assert len({text.words for text in texts}) == len(texts) <= 60
    assert drawn("languages", 60, 0).documents == texts != drawn("languages", 60, 1).documents


def test_of_each_frequent_value_as_many_documents_are_drawn_as_are_wanted():
    chosen = drawn("two_hops", 2000, 0)
    assert {name: len(values) for name, values in chosen.values.items()} == {
        **dict.fromkeys(("answer", "city", "state"), MOST_VALUES),
        "relation": 5,
    }
    known = [settled(document) for document in chosen.documents]
    assert all(sum(one.get("state") == value for one in known) >= WANTED for value in chosen.values["state"])
    assert len(known) < 2000


def test_only_values_that_both_halves_hold_are_asked_for():
    twice = [Labelled(number, 0, "often") for number in range(2 * LEAST)]
    even = [Labelled(2 * number, 0, "even") for number in range(3 * LEAST)]
    assert often((*twice, *even), ("even", "often", "never")) == ("often",)


def test_shuffled_values_stay_in_their_half():
    tokens = tuple(Labelled(number, 3, number) for number in range(40))
    mixed = shuffled(tokens)
    assert mixed != tokens
    for side in (0, 1):
        assert sorted(t.value for t in mixed if t.document % 2 == side) == list(range(side, 40, 2))


def test_values_of_two_kinds_are_counted_apart():
    """The key of an exam may be a number that was computed, or the same number as a word."""
    assert {type(value) for value in drawn("exams", 200, 0).values["key"]} <= {int, str}
