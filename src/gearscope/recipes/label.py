"""A library labelled, and its labels judged: its model and dictionaries are opened by the names that it holds.

label_by_rules(library, RuleConfig())              a rule for every feature
judge_stored(library, documents=400)               label accuracy, on the bundled organism alone
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gearscope.errors import ConfigError
from gearscope.evaluation.labelled import Rules, judge
from gearscope.evaluation.report import Accuracy
from gearscope.evaluation.told import examine
from gearscope.features.records import NewLabel
from gearscope.features.store import Library
from gearscope.ids import FeatureId
from gearscope.labels.config import RuleConfig
from gearscope.labels.control import Asked, drawn, of_library
from gearscope.labels.explain import Report, explain, read_slice, slice_of
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
    folder: Path, *, documents: int, controls: int = 1000, opening: Opening = PLAIN, progress: Report | None = None
) -> Accuracy:
    """Which share of a library's rules names what its features tell, beside exchanged rules and rules of one token.

    So many directions drawn at random are asked too, and those that tell a question are labelled and judged alike.
    Raises ConfigError for a library without rules, ModelError for one of a model that reads another world.
    """
    with Library.open(folder) as library:
        rules = stored_rules(library)
        if not rules:
            hint = f"run gearscope label {folder} first"
            raise ConfigError(f"rules in {folder} were expected", found="none", hint=hint)
        subject = subject_of(library, opening)
        check_world(subject.model)
        config, n = RuleConfig(level=stored_level(library)), library.n_features
        chance = drawn(subject, slice_of(library, config), config, most=controls)
        asked = of_library(library, subject, config).beside(chance)
        truths = examine(asked, documents=documents, seed=_SEED, progress=progress)
        sets = {"rules": rules, "exchanged": exchanged_rules(rules), "one token": one_token_rules(library)}
        others = range(n, asked.subject.n_features)
        telling = [number for number in others if number in truths.best]
        drawn_rules = {n + k: rule for k, rule in _rules(library, chance, config, [t - n for t in telling], progress)}
        return Accuracy(
            features=judge(truths, sets, among=range(n)),
            random=judge(truths, {"rules": drawn_rules}, among=others),
        )


def _rules(
    library: Library, asked: Asked, config: RuleConfig, numbers: Sequence[int], progress: Report | None
) -> Iterator[tuple[int, Rule | None]]:
    """Rules for some features, without storing them."""
    tell = progress or (lambda _, __: None)
    if numbers:
        read = read_slice(library, asked, config, tell)
        for number in numbers:
            yield number, read.ruler.rule(read.firing.tokens(number)).rule


def stored_rules(library: Library) -> dict[int, Rule]:
    """The rule of every feature that has one. Raises ConfigError for one that cannot be read."""
    return {
        label.number: parse_rule(text)
        for label in library.notes.all_labels()
        if label.method == "rule" and isinstance(text := label.details.get("rule"), str)
    }


def stored_level(library: Library) -> float:
    """The share of a feature's largest activation from which on its stored rule says that it fires."""
    levels = {label.details.get("level", 0.0) for label in library.notes.all_labels() if "rule" in label.details}
    if len(levels) != 1:
        raise ConfigError("rules of one level were expected", found=f"{sorted(levels)}", hint="label the library anew")
    return float(levels.pop())


def exchanged_rules(rules: Rules) -> Rules:
    """The same rules, each at another feature."""
    features = list(rules)
    others = np.random.default_rng(_SEED).permutation(features).tolist()
    return {feature: rules[other] for feature, other in zip(features, others, strict=True)}


def one_token_rules(library: Library) -> Rules:
    """For every feature the token on which it fires most."""
    tokens, counts = library.columns["triggers"][:, 0], library.columns["trigger_count"][:, 0]
    known = library.text.tokens
    plain = [known[token].strip() or known[token] for token in tokens.tolist()]
    return {
        number: Rule((Term((Clause("token", (word,)),)),))
        for number, (word, count) in enumerate(zip(plain, counts.tolist(), strict=True))
        if count
    }
