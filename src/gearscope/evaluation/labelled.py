"""Whether rules name what features tell: label accuracy against the exhaustive truth of the organism's world.

For every phenomenon documents are drawn, and the features run on them. The documents of even number choose the question
that each feature tells best, those of odd number must agree, and there the feature's rule is asked the same question
(decision 0020). Sums are asked on all 10,000 prompts. Beside the rules stand exchanged rules and rules of one token.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from gearscope.evaluation.places import Labelled, drawn, places
from gearscope.evaluation.questions import (
    PLANE,
    SIDE,
    Exam,
    answers_right,
    by_feature,
    exams,
    plane_questions,
    told,
)
from gearscope.evaluation.report import LabelReport, LabelRow
from gearscope.features.reading import Subject
from gearscope.labels.columns import Columns, words
from gearscope.labels.firing import Firing, firing
from gearscope.labels.rules import Rule
from gearscope.organism.world.document import Document
from gearscope.organism.world.phenomena import BASE
from gearscope.organism.world.vocabulary import BOS, PAD, SEPARATOR, TOKEN_ID, VOCABULARY

Rules = Sequence[Rule | None]
"""One for each feature; None for no rule, or obscure."""
PLANE_PHENOMENON = "addition"
_ROUNDED = 8
"""Documents are run together whose lengths round up to the same multiple."""


class _Judged(NamedTuple):
    """The question that a feature tells best."""

    f1: float
    phenomenon: str
    question: str
    truth: np.ndarray
    """On the tokens where its rule is asked."""
    rows: np.ndarray
    """These tokens, among those of `columns`."""


class _Texts(NamedTuple):
    """A phenomenon's documents as windows, and where features fire in them."""

    columns: Columns
    context: int
    fires: sparse.csr_array
    """[tokens, features]"""

    def rows(self, tokens: Sequence[Labelled]) -> np.ndarray:
        """The tokens of some labelled words: `<s>` stands before the first."""
        return np.array([token.document * self.context + token.word + 1 for token in tokens])


def judge_labels(
    subject: Subject,
    sets: Mapping[str, Rules],
    *,
    documents: int = 400,
    seed: int = 0,
    phenomena: Sequence[str] = (),
    progress: Callable[[str, int], None] | None = None,
) -> LabelReport:
    """Which share of each set of rules names what its feature tells. The sets' features are the subject's, in order.

    All phenomena of the world are asked by default; sums on every prompt where `addition` is among them.
    """
    tell = progress or (lambda _, __: None)
    best: dict[int, _Judged] = {}
    right: dict[str, dict[int, bool]] = {name: {} for name in sets}
    live = np.zeros(subject.n_features, bool)
    texts_of: dict[str, _Texts] = {}
    for name in phenomena or tuple(module.PHENOMENON for module in BASE):
        texts = drawn(name, documents, seed).documents
        read = _read(subject, texts, tell)
        texts_of[name] = read
        live |= np.asarray(read.fires.sum(0)).ravel() > 0
        for exam in exams(places(texts)):
            _examine(name, exam, read, best)
    plane = _plane(subject, tell) if PLANE_PHENOMENON in texts_of else {}
    for at, read in plane.items():
        _examine_plane(at, read, best)
    texts_of |= plane
    for feature, judged in best.items():
        columns = texts_of[judged.phenomenon].columns
        for name, rules in sets.items():
            rule = rules[feature]
            named = np.zeros(len(judged.rows), bool) if rule is None else rule.holds(columns)[judged.rows]
            right[name][feature] = answers_right(judged.truth, named)
        tell("labels judged", 1)
    return _report(best, right, live, documents, seed)


def _examine(phenomenon: str, exam: Exam, read: _Texts, best: dict[int, _Judged]) -> None:
    """Ask an exam; features that tell a question of it better than what they told so far, on both halves, get it."""
    rows = read.rows(exam.tokens)
    fires = read.fires[rows]
    even = np.array([token.document % 2 == 0 for token in exam.tokens])
    first = told(exam, fires, even)
    for feature in np.flatnonzero(first.f1).tolist():
        f1 = float(first.f1[feature])
        if feature in best and best[feature].f1 >= f1:
            continue
        truth = (exam.answer == first.question[feature])[~even]
        fired = np.asarray(fires[:, [feature]].todense()).ravel()[~even] > 0
        if answers_right(truth, fired):
            value = exam.values[int(first.question[feature])]
            best[feature] = _Judged(f1, phenomenon, f"{exam.variable} {value} at {exam.where}", truth, rows[~even])


def _examine_plane(at: str, read: _Texts, best: dict[int, _Judged]) -> None:
    rows = np.arange(SIDE * SIDE) * read.context + _PLACES[at]
    fires = read.fires[rows].tocsc()
    active = np.flatnonzero(np.diff(fires.indptr) >= SIDE // 2)
    for feature in active.tolist():
        fired = np.zeros(SIDE * SIDE, bool)
        fired[fires.indices[fires.indptr[feature] : fires.indptr[feature + 1]]] = True
        f1, question = plane_questions(fired)
        if question is not None and (feature not in best or best[feature].f1 < f1):
            best[feature] = _Judged(f1, at, f"{question} at {at}", question.truth(), rows)


def _ids(document: Document, length: int) -> list[int]:
    """A document behind `<s>`, its line end, and padding that nothing before it sees."""
    ids = [TOKEN_ID[word] for word in (BOS, *document.words, SEPARATOR)]
    return ids + [TOKEN_ID[PAD]] * (length - len(ids))


def _read(subject: Subject, texts: Sequence[Document], tell: Callable[[str, int], None]) -> _Texts:
    context = max(len(document.words) for document in texts) + 2
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for number, document in enumerate(texts):
        alike[min(context, -(-(len(document.words) + 2) // _ROUNDED) * _ROUNDED)].append(number)
    token, feature = [], []
    for length, numbers in alike.items():
        found = firing(subject, np.array([_ids(texts[n], length) for n in numbers]), lambda n: tell("tokens asked", n))
        window, position = np.divmod(found.token, length)
        token.append(np.array(numbers)[window] * context + position)
        feature.append(_features(found))
    fires = by_feature((np.concatenate(token), np.concatenate(feature)), subject.n_features, len(texts) * context)
    windows = np.array([_ids(document, context) for document in texts])
    return _Texts(Columns(windows, words(VOCABULARY)), context, fires)


def _features(found: Firing) -> np.ndarray:
    return np.repeat(np.arange(found.n_features), np.diff(found.begin))


_PLACES = {"the first number": 3, "the second number": 5, "the equals sign": 6}
"""Of `<s> calc : a + b =`."""


def _plane(subject: Subject, tell: Callable[[str, int], None]) -> dict[str, _Texts]:
    a, b = PLANE["a"], PLANE["b"]
    prompts = [
        [TOKEN_ID[word] for word in (BOS, "calc", ":", str(x), "+", str(y), "=", str(x + y))]
        for x, y in zip(a.tolist(), b.tolist(), strict=True)
    ]
    windows = np.array(prompts)
    found = firing(subject, windows, lambda n: tell("tokens asked", n))
    fires = by_feature((found.token, _features(found)), subject.n_features, windows.size)
    read = _Texts(Columns(windows, words(VOCABULARY)), windows.shape[1], fires)
    return dict.fromkeys(_PLACES, read)


def _report(
    best: Mapping[int, _Judged], right: Mapping[str, Mapping[int, bool]], live: np.ndarray, documents: int, seed: int
) -> LabelReport:
    names = {feature: PLANE_PHENOMENON if j.phenomenon in _PLACES else j.phenomenon for feature, j in best.items()}
    rows = []
    for phenomenon in sorted(set(names.values())):
        own = [feature for feature, name in names.items() if name == phenomenon]
        shares = {name: sum(found[feature] for feature in own) / len(own) for name, found in right.items()}
        rows.append(LabelRow(phenomenon=phenomenon, features=len(own), right=shares))
    return LabelReport(
        documents=documents,
        seed=seed,
        live=int(live.sum()),
        told=len(best),
        right={name: sum(found.values()) / len(best) if best else None for name, found in right.items()},
        rows=tuple(rows),
        questions={feature: judged.question for feature, judged in sorted(best.items())},
        named={name: tuple(f for f, is_right in sorted(found.items()) if is_right) for name, found in right.items()},
    )
