"""A library labelled, and its labels judged: its model and dictionaries are opened by the names that it holds.

label_by_rules(library, RuleConfig())              a rule for every feature
judge_stored(library, documents=400)               label accuracy, on the bundled organism alone
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gearscope.errors import ConfigError
from gearscope.evaluation.labelled import Rules, judge_labels
from gearscope.evaluation.report import LabelReport
from gearscope.features.records import NewLabel
from gearscope.features.store import Library
from gearscope.ids import FeatureId
from gearscope.labels.config import RuleConfig
from gearscope.labels.explain import Report, explain
from gearscope.labels.report import RuleReport
from gearscope.labels.rules import Clause, Rule, Term, parse_rule
from gearscope.recipes.corpora import check_world
from gearscope.recipes.library import subject_of
from gearscope.recipes.train import PLAIN, Opening

_SEED = 0


def label_by_rules(
    folder: Path,
    config: RuleConfig,
    *,
    features: Sequence[str] = (),
    opening: Opening = PLAIN,
    progress: Report | None = None,
) -> RuleReport:
    """Label features `LAYER/INDEX`, or all of them. Raises ConfigError, TargetError, ArtifactError, ModelError."""
    with Library.open(folder) as library:
        only = [library.number(FeatureId.parse(name)) for name in features] or None
        return explain(library, subject_of(library, opening), config, only=only, progress=progress)


def write_edits(folder: Path, edits: Sequence[str]) -> dict[str, str]:
    """Store labels of a person, each `LAYER/INDEX=TEXT`; returns them by feature. Raises ConfigError, TargetError."""
    found: dict[str, str] = {}
    for edit in edits:
        name, is_one, text = edit.partition("=")
        if not is_one or not text.strip():
            raise ConfigError("an edit is written LAYER/INDEX=TEXT, for instance 2/417=sums to 95", found=repr(edit))
        found[str(FeatureId.parse(name.strip()))] = text.strip()
    with Library.open(folder) as library:
        numbers = [library.number(FeatureId.parse(name)) for name in found]
        with library.write_notes() as notes:
            notes.add_labels(NewLabel(n, text, "human") for n, text in zip(numbers, found.values(), strict=True))
    return found


def judge_stored(
    folder: Path, *, documents: int, opening: Opening = PLAIN, progress: Callable[[str, int], None] | None = None
) -> LabelReport:
    """Which share of a library's rules names what its features tell, beside exchanged rules and rules of one token.

    Raises ConfigError for a library without rules, ModelError for one of a model that reads another world.
    """
    with Library.open(folder) as library:
        rules = stored_rules(library)
        if not any(rules):
            hint = f"run gearscope label {folder} first"
            raise ConfigError(f"rules in {folder} were expected", found="none", hint=hint)
        subject = subject_of(library, opening)
        check_world(subject.model)
        sets = {"rules": rules, "exchanged": exchanged_rules(rules), "one token": one_token_rules(library)}
        return judge_labels(subject, sets, documents=documents, seed=_SEED, progress=progress)


def stored_rules(library: Library) -> Rules:
    """The rule of every feature that has one. Raises ConfigError for one that cannot be read."""
    found: list[Rule | None] = [None] * library.n_features
    for label in library.notes.all_labels():
        text = label.details.get("rule")
        if label.method == "rule" and isinstance(text, str) and label.number < len(found):
            found[label.number] = parse_rule(text)
    return found


def exchanged_rules(rules: Rules) -> Rules:
    """The same rules, each at another feature."""
    return [rules[other] for other in np.random.default_rng(_SEED).permutation(len(rules)).tolist()]


def one_token_rules(library: Library) -> Rules:
    """For every feature the token on which it fires most."""
    tokens, counts = library.columns["triggers"][:, 0], library.columns["trigger_count"][:, 0]
    known = library.text.tokens
    plain = [known[token].strip() or known[token] for token in tokens.tolist()]
    return [
        Rule((Term((Clause("token", (word,)),)),)) if count else None
        for word, count in zip(plain, counts.tolist(), strict=True)
    ]
