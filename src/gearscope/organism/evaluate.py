"""Held-out behaviours of the organism by greedy writing, each beside its chance level and its level in training.

    held_out    share of held-out questions whose greedily written continuation is one of the right ones
    train       the same for as many questions whose compositions training did show
    chance      the held-out continuations judged by the answers of other questions (a fixed shuffle): what answers of
                the right kind would score if they had nothing to do with their question

Every prompt stands directly after `<s>`. Writing is exact: no sampling, no batch that mixes prompt lengths, no padding.
It knows nothing about training.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple

import torch
from torch import nn
from transformers import DynamicCache

from gearscope.organism.behaviours.question import Question
from gearscope.organism.behaviours.registry import BEHAVIOURS, ask
from gearscope.organism.world.vocabulary import VOCABULARY, ids_of

_BATCH = 512


class Score(NamedTuple):
    """Questions answered right, and questions asked."""

    correct: int
    count: int

    @property
    def accuracy(self) -> float:
        """Share answered right."""
        return self.correct / self.count


class Measured(NamedTuple):
    """One row of the accuracy table: a behaviour at its three levels."""

    held_out: Score
    train: Score
    chance: Score


@torch.no_grad()
def write_greedily(model: nn.Module, prompts: list[tuple[str, ...]], length: int) -> list[tuple[str, ...]]:
    """The `length` words a model writes after each prompt, most probable first. Prompts have one common length."""
    ids = torch.tensor([ids_of(prompt) for prompt in prompts])
    cache, unread = DynamicCache(), ids
    for _ in range(length):
        unread = model(unread, past_key_values=cache, use_cache=True).logits[:, -1:].argmax(-1)
        ids = torch.cat([ids, unread], 1)
    return [tuple(VOCABULARY[index] for index in row) for row in ids[:, -length:].tolist()]


def answers(model: nn.Module, questions: list[Question]) -> list[tuple[str, ...]]:
    """What a model writes for each question, as many words as the question asks for."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, question in enumerate(questions):
        alike[len(question.prompt), question.length].append(index)
    written: dict[int, tuple[str, ...]] = {}
    for (_, length), indices in alike.items():
        for start in range(0, len(indices), _BATCH):
            chosen = indices[start : start + _BATCH]
            prompts = [questions[index].prompt for index in chosen]
            written.update(zip(chosen, write_greedily(model, prompts, length), strict=True))
    return [written[index] for index in range(len(questions))]


def judge(questions: Iterable[Question], written: Iterable[tuple[str, ...]]) -> Score:
    """Count the continuations that are right."""
    marks = [question.is_right(words) for question, words in zip(questions, written, strict=True)]
    return Score(sum(marks), len(marks))


def measure(model: nn.Module, name: str, limit: int | None = None) -> Measured:
    """One behaviour on every held-out question, or on a fixed choice of `limit` of them."""
    held_out = ask(name, "heldout", limit)
    train = ask(name, "train", len(held_out))
    written = answers(model, held_out)
    shuffled = list(held_out)
    Random(f"chance level of {name}").shuffle(shuffled)
    return Measured(judge(held_out, written), judge(train, answers(model, train)), judge(shuffled, written))


def measure_all(
    model: nn.Module,
    names: Iterable[str] | None = None,
    *,
    limit: int | None = None,
    progress: Callable[[str, Measured], None] | None = None,
) -> dict[str, Measured]:
    """The named behaviours, or all of `BEHAVIOURS` in their order; `progress` is called after each."""
    table = {}
    for name in BEHAVIOURS if names is None else names:
        table[name] = measure(model, name, limit)
        if progress is not None:
            progress(name, table[name])
    return table


def missed_bars(table: dict[str, Measured], bars: dict[str, float]) -> list[str]:
    """One phrase for every bar that the held-out accuracy stays below; a behaviour nobody measured misses its bar."""
    missed = []
    for name, bar in bars.items():
        if name not in table:
            missed.append(f"{name} not measured (bar {bar:.1%})")
        elif table[name].held_out.accuracy < bar:
            score = table[name].held_out
            missed.append(f"{name} {score.accuracy:.2%} of {score.count} (bar {bar:.1%})")
    return missed
