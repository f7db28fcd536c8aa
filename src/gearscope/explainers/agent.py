"""An explainer that tests what it says: it writes texts, is told where the feature fires on them, and mends its label.

The number of rounds, of texts and their length are bounded. Its texts are read by the library's own model, in this
process, and go nowhere else. Where a later round fails, what was said before it stands, and is marked so. No torch.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gearscope.errors import PromptError
from gearscope.explainers.answers import LONGEST_LABEL, clean_label
from gearscope.explainers.caller import Asking, Outcome
from gearscope.explainers.config import EvidenceConfig
from gearscope.explainers.evidence import Evidence
from gearscope.explainers.passages import Passage, block, level
from gearscope.explainers.prompts import EXPLAIN, effects_shown, examples_shown
from gearscope.explainers.protocol import Answer, Ask, Message

Reader = Callable[[int, str], Passage]
"""What a feature does on a text. Raises PromptError for one that the model cannot read."""
_LONGEST_TEXT = 400
_TASK = (
    "You may test your description on texts of your own, a few times. Write texts that should make the feature fire "
    "if you are right, and texts that look alike and should not; you are told where it fires on them. Use words of "
    "the kind that the examples use: others may be unknown to the model. Say `done` when a further test would change "
    "nothing."
)
_FORM = (
    'Answer with JSON alone: {"label": "your phrase", "done": false, "should_fire": ["text", …], "should_not": '
    '["text", …]}, with at most %d texts of each kind.'
)


class TestingAnswer(Answer):
    """What the agent says in a round."""

    __test__ = False  # not a test of pytest's

    label: str
    """One short phrase."""
    done: bool
    """Whether no further test is wanted."""
    should_fire: tuple[str, ...]
    should_not: tuple[str, ...]


class Explained(NamedTuple):
    """How it ended."""

    outcome: Outcome
    """The last one with an answer; the first where there is none."""
    rounds: int
    """Tests that were made."""
    ended: str
    """done, rounds, or why a later round has no answer."""


def explain_by_tests(asking: Asking, found: Evidence, read: Reader, config: EvidenceConfig) -> Explained:
    """Propose, test and mend."""
    form = _FORM % config.tests
    shown = "\n\n".join([*examples_shown(found), *effects_shown(found), form])
    turns = [Message("system", f"{EXPLAIN} {_TASK}"), Message("user", shown)]
    last: Outcome | None = None
    for rounds in range(config.rounds + 1):
        (outcome,) = asking.all([_ask(turns, config)])
        if not isinstance(outcome.answer, TestingAnswer):
            return Explained(last or outcome, max(0, rounds - 1), outcome.failure or "no answer")
        last, answer = outcome, outcome.answer
        if answer.done or rounds == config.rounds:
            return Explained(last, rounds, "done" if answer.done else "rounds")
        results = _results(found, answer, read, config)
        told = ["The feature on your texts:", block("results", results), form]
        turns += [Message("assistant", answer.model_dump_json()), Message("user", "\n\n".join(told))]
    raise AssertionError("the last round returns")


def _ask(turns: Sequence[Message], config: EvidenceConfig) -> Ask:
    texts = ("x" * (_LONGEST_TEXT // 4),) * config.tests
    sample = TestingAnswer(label="x" * (LONGEST_LABEL // 3), done=False, should_fire=texts, should_not=texts)
    return Ask(tuple(turns), TestingAnswer, sample, _nothing_said)


def _nothing_said(answer: TestingAnswer) -> str | None:
    return None if clean_label(answer.label) else "a label that is not empty was expected"


def _results(found: Evidence, answer: TestingAnswer, read: Reader, config: EvidenceConfig) -> list[dict[str, Any]]:
    """What became of each text: expected, and seen."""
    rows = []
    for expected, texts in (("fires", answer.should_fire), ("does not fire", answer.should_not)):
        for text in texts[: config.tests]:
            rows.append({"expected": expected, **_seen(found, text[:_LONGEST_TEXT], read)})
    return rows


def _seen(found: Evidence, text: str, read: Reader) -> dict[str, Any]:
    try:
        passage = read(found.number, text)
    except PromptError as error:
        return {"text": text, "not_read": str(error)[:200]}
    return {
        "text": passage.marked(passage.fires_at),
        "level": level(max(passage.activations, default=0.0), found.largest),
    }
