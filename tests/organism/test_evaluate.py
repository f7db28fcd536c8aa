"""Measuring with a stand-in model that knows the answers, knows nothing, or knows all but some."""

from types import SimpleNamespace

import pytest
import torch

from gearscope.errors import ConfigError
from gearscope.organism.behaviours.question import one_of
from gearscope.organism.behaviours.registry import BEHAVIOURS, ask
from gearscope.organism.config import OrganismConfig
from gearscope.organism.evaluate import (
    Measured,
    Score,
    answers,
    judge,
    measure,
    measure_all,
    missed_bars,
    write_greedily,
)
from gearscope.organism.model import untrained_model
from gearscope.organism.world import addition, rhyme, two_hops
from gearscope.organism.world.rhyme_words import GROUPS
from gearscope.organism.world.vocabulary import VOCABULARY

IDS = {word: index for index, word in enumerate(VOCABULARY)}


CHANCE = {"smallness": 0.6, "host_sign_off": 0.4, "direct_refused": 1.1, "unknown_names": 1.1, "missing_facts": 1.1}
"""Behaviours whose questions have few different answers: two sizes, four styles, one refusal, one `i do not know`."""


class Oracle(torch.nn.Module):
    """Continues prompts from a table; after any other text it says `the`."""

    def __init__(self, questions):
        super().__init__()
        self.following = {}
        for question in questions:
            prompt, right = question.prompt, question.example
            for length in range(len(right)):
                self.following[prompt + right[:length]] = right[length]

    def forward(self, ids, past_key_values, use_cache):
        """Where a model keeps keys and values of what it has read, this keeps the words."""
        assert use_cache
        read = getattr(past_key_values, "words", ids[:, :0])
        past_key_values.words = torch.cat([read, ids], 1)
        logits = torch.zeros(*ids.shape, len(VOCABULARY))
        for row, line in enumerate(past_key_values.words.tolist()):
            assert line[0] == IDS["<s>"]
            words = tuple(VOCABULARY[index] for index in line[1:])
            logits[row, -1, IDS[self.following.get(words, "the")]] = 1.0
        return SimpleNamespace(logits=logits)


@pytest.mark.parametrize("name", list(BEHAVIOURS))
def test_a_model_that_knows_the_held_out_answers_scores_full_and_its_chance_level_is_low(name):
    asked = ask(name, "heldout", 120)
    row = measure(Oracle(asked), name, limit=120)
    assert row.held_out == Score(len(asked), len(asked))
    assert row.train.count == min(len(asked), len(ask(name, "train")))
    assert row.train.correct == 0
    assert row.chance.accuracy < CHANCE.get(name, 0.2)


def test_every_wrong_answer_is_counted():
    questions = ask("addition", "heldout", 50)
    assert judge(questions, answers(Oracle(questions[:35]), questions)) == Score(35, 50)


def test_words_are_those_that_the_model_writes_when_it_reads_all_of_the_text_each_time():
    model = untrained_model(OrganismConfig(window=3, d_model=16, d_mlp=8, n_layers=2, n_heads=2)).eval()
    prompts = [ask("two_hops", "heldout")[number].prompt for number in (0, 1, 2)]
    prompts = [prompt[:8] for prompt in prompts]
    ids = torch.tensor([[IDS[word] for word in ("<s>", *prompt)] for prompt in prompts])
    with torch.no_grad():
        for _ in range(6):
            ids = torch.cat([ids, model(ids, use_cache=False).logits[:, -1:].argmax(-1)], 1)
    expected = [tuple(VOCABULARY[index] for index in row) for row in ids[:, -6:].tolist()]
    assert write_greedily(model, prompts, 6) == expected


def test_questions_cover_everything_held_out():
    assert len(ask("addition", "heldout")) == len(addition.HELD_OUT)
    assert len(ask("two_hops", "heldout")) == len(two_hops.HELD_OUT) * len(two_hops.RELATIONS) * len(two_hops.CHAINS)
    assert len(ask("rhyme", "heldout")) >= 500
    question = next(q for q in ask("addition", "heldout") if q.prompt[2:5] == ("36", "+", "59"))
    assert question.prompt == ("calc", ":", "36", "+", "59", "=")
    assert question.is_right(("95",))
    assert not question.is_right(("94",))


def test_couplet_ends_that_count_rhyme_differ_and_fit_the_line():
    for question in ask("rhyme", "heldout", 200):
        prompt = question.prompt
        first = prompt[prompt.index(",") - 1]
        (group,) = [words for words in GROUPS.values() if first in words]
        line = " ".join(prompt).split(" / ")[2]
        for word in {word for words in GROUPS.values() for word in words}:
            rhymes = word in group and word != first and line in rhyme.SECOND_LINES[group[word]]
            assert question.is_right((word,)) == (rhymes and " " not in word)


def test_a_written_line_must_end_in_a_rhyme_of_its_sort():
    question = next(
        q
        for q in ask("rhyme_written", "train")
        if " ".join(q.prompt).endswith("to grab it , and so the poem goes on : /")
    )
    line = ("his", "hunger", "was", "like", "that", "of", "a", "little", "starving")
    for end, counts in [("rabbit", 1), ("habit", 0), ("whale", 0), ("it", 0)]:
        assert judge([question], [(*line, end)]) == Score(counts, 1)


def test_longer_answers_are_judged_by_their_beginning():
    question = one_of(("a",), [("b",), ("c", "d", "e")])
    assert judge([question] * 3, [("b", "x", "y"), ("c", "d", "e"), ("c", "d", "x")]) == Score(2, 3)


def test_missed_bars_are_named():
    table = {"addition": Measured(Score(98, 100), Score(1, 1), Score(0, 1))}
    assert missed_bars(table, {"addition": 0.98}) == []
    assert missed_bars(table, {"addition": 0.99, "rhyme": 0.5}) == [
        "addition 98.00% of 100 (bar 99.0%)",
        "rhyme not measured (bar 50.0%)",
    ]


def test_progress_is_called_for_every_behaviour():
    seen = []
    table = measure_all(Oracle([]), limit=2, progress=lambda name, row: seen.append(name))
    assert seen == list(table) == list(BEHAVIOURS)


def test_unknown_behaviours_are_refused_by_name():
    with pytest.raises(ConfigError, match="subtraction"):
        ask("subtraction", "heldout")
