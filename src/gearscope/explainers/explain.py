"""Explain features by a language model, and score what it says.

    evidence    what the library knows of each feature                         evidence.py
    labels      one question each, or the agent's rounds; stored one by one    prompts.py, agent.py
    scores      the same questions for the label and for another feature's     scoring.py, scorers/
    notes       beside rules and people's labels, which stay                   storing.py

A run that ended early is gone on with by the same command: replies are in the cache, and labels that say the same stay.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gearscope.explainers import agent, prompts
from gearscope.explainers.answers import LONGEST_LABEL, clean_label
from gearscope.explainers.caller import NOT_ASKED, Outcome
from gearscope.explainers.evidence import Evidence, evidence
from gearscope.explainers.protocol import Ask
from gearscope.explainers.report import ScoreSummary
from gearscope.explainers.run import Run
from gearscope.explainers.scoring import score_features, summary
from gearscope.explainers.storing import store_label

_AT_ONCE = 32


class Found(NamedTuple):
    """What came of it."""

    labels: dict[int, str]
    failed: int
    not_asked: int
    without_evidence: tuple[str, ...]
    scores: dict[str, ScoreSummary]


class Said(NamedTuple):
    """What an explainer said of a feature."""

    found: Evidence
    outcome: Outcome
    more: dict[str, Any]


def explain_features(run: Run, numbers: Sequence[int]) -> Found:
    """Label and score these features. Raises ConfigError, ModelError, ArtifactError for notes that stay shut."""
    known = [evidence(run.library, number, run.config.evidence) for number in numbers]
    by_output = run.made.explainer == "output"
    useful = [found for found in known if (found.promoted if by_output else found.shown)]
    labels, ids, failures = dict[int, str](), dict[int, int](), list[str]()
    for said in _said(run, useful):
        text = _label_of(said)
        if text is None:
            failures.append(said.outcome.failure or "no answer")
            continue
        labels[said.found.number] = text
        if run.notes is not None:
            ids[said.found.number] = store_label(run.notes, said.found.number, text, run.made, said.more)
        run.tell("features explained", 1)
    scored = score_features(run, [found for found in useful if found.number in labels], labels, ids)
    return Found(
        labels=labels,
        failed=sum(failure != NOT_ASKED for failure in failures),
        not_asked=sum(failure == NOT_ASKED for failure in failures),
        without_evidence=tuple(str(found.feature) for found in known if found not in useful),
        scores={name: summary([one.get(name) for one in scored]) for name in run.scorers},
    )


def _said(run: Run, useful: Sequence[Evidence]) -> Iterator[Said]:
    if run.made.explainer == "agent":
        assert run.read is not None
        for found in useful:
            ended = agent.explain_by_tests(run.asking, found, run.read, run.config.evidence)
            yield Said(found, ended.outcome, {"shown": len(found.shown), "rounds": ended.rounds, "ended": ended.ended})
        return
    for start in range(0, len(useful), _AT_ONCE):
        some = useful[start : start + _AT_ONCE]
        outcomes = run.asking.all([_ask(run, found) for found in some])
        for found, outcome in zip(some, outcomes, strict=True):
            yield Said(found, outcome, {"shown": 0 if run.made.explainer == "output" else len(found.shown)})


def _ask(run: Run, found: Evidence) -> Ask:
    if run.made.explainer == "examples":
        return prompts.by_examples(found)
    if run.made.explainer == "output":
        return prompts.by_output(found)
    config = run.config.evidence
    return prompts.by_contrast(found, run.quiet(found, -(-config.quiet // 2), config.quiet // 2, scores=False))


def _label_of(said: Said) -> str | None:
    """The label; None where there is no answer. Answers that stand in are told apart, as real ones would be."""
    answer = said.outcome.answer
    if not isinstance(answer, prompts.LabelAnswer | agent.TestingAnswer):
        return None
    text = clean_label(answer.label)
    return f"{said.found.feature} {text}"[:LONGEST_LABEL] if said.outcome.stands_in else text
