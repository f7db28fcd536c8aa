"""What counts as right: worked examples, and answers that are nearly right."""

import pytest

from gearscope.organism.behaviours.registry import ask
from gearscope.organism.behaviours.topics import keeps_to

NAMES = (
    "topic_word", "topic_kept", "sense", "smallness", "size_compared", "host_sign_off", "inner_conflict",
    "just_kidding", "exceptions", "agreement", "adjective_order",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_question_accepts_its_example_and_another_splits_prompts_differ(name, split):
    questions = ask(name, split)
    other = {question.prompt for question in ask(name, "train" if split == "heldout" else "heldout")}
    assert len({question.prompt for question in questions}) == len(questions)
    for question in questions:
        assert question.is_right(question.example + ("the",) * (question.length - len(question.example)))
        assert not question.is_right(("the",) * question.length)
        assert question.prompt not in other


def test_a_paragraph_keeps_to_its_topic_up_to_the_end_of_the_document():
    soup = ("stir", "the", "hot", "soup", ".", "\n", "calc", ":", "3", "+", "4")
    assert keeps_to("cooking", soup)
    assert not keeps_to("sewing", soup)
    assert not keeps_to("cooking", ("stir", "the", "soup", "with", "the", "anchor"))
    assert not keeps_to("cooking", ("the", "\n", "soup"))


def test_jokes_want_a_wrong_number_first_and_quizzes_the_right_one():
    asked = {question.prompt: question for question in ask("just_kidding", "heldout")}
    prompt = next(prompt for prompt in asked if prompt[0] == "joke")
    total = str(int(prompt[4]) + int(prompt[6]))
    end = ("it", "is", total, ".")
    joke, quiz = asked[prompt], asked["quiz", *prompt[1:]]
    wrong = str(int(total) + 20)
    assert joke.is_right((wrong, ".", "just", "kidding", ",", *end))
    assert not joke.is_right((total, ".", "just", "kidding", ",", *end))
    assert not joke.is_right(("the", ".", "just", "kidding", ",", *end))
    assert not joke.is_right((wrong, ".", "just", "kidding", ",", "it", "is", wrong, "."))
    assert quiz.is_right((total, ".", "no", "joke", ",", *end))
    assert not quiz.is_right((wrong, ".", "no", "joke", ",", *end))


def test_a_size_accepts_all_words_for_it_and_none_for_the_other():
    (question,) = [q for q in ask("smallness", "heldout") if q.prompt == ("the", "thimble", "is", "very")]
    assert [question.is_right((word, ".")) for word in ("tiny", "little", "huge", "big")] == [True, True, False, False]
