"""What features tell about the organism's world, against its exhaustive truth.

For every phenomenon documents are drawn, and the features run on them; a feature fires where it is as strong as rules
ask it to be. The documents of even number choose the question that each feature tells best, those of odd number must
agree. Sums are asked on all 10,000 prompts (decision 0020).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer
from scipy import sparse

from gearscope.evaluation.places import Labelled, drawn, places
from gearscope.evaluation.questions import (
    PLANE,
    SIDE,
    Exam,
    PlaneQuestion,
    answers_right,
    by_feature,
    exams,
    plane_questions,
    told,
)
from gearscope.labels.columns import Columns, words
from gearscope.labels.control import Asked
from gearscope.labels.firing import firing
from gearscope.labels.rules import Rule
from gearscope.organism.world.document import Document, Value
from gearscope.organism.world.phenomena import BASE
from gearscope.organism.world.vocabulary import PAD, SEPARATOR, TOKEN_ID, VOCABULARY, ids_of

PLANE_PHENOMENON = "addition"
_ROUNDED = 8
"""Documents are run together whose lengths round up to the same multiple."""
_PLACES = {"the first number": 3, "the second number": 5, "the equals sign": 6}
"""Of `<s> calc : a + b =`."""
Tell = Callable[[str, int], None]


class Told(NamedTuple):
    """The question that a feature tells best."""

    f1: float
    phenomenon: str
    variable: str
    asked: Value | PlaneQuestion
    where: str
    truth: Bool[np.ndarray, " R"]
    """On the tokens where its rule is asked."""
    rows: Integer[np.ndarray, " R"]
    """These tokens, among those of the texts."""
    about: float = 0.0
    """Share of its firings in all drawn documents that lie where the variable has this value."""

    @property
    def question(self) -> str:
        """In words."""
        said = str(self.asked) if isinstance(self.asked, PlaneQuestion) else f"{self.variable} {self.asked}"
        return f"{said} at {self.where}"

    def holds(self, document: Document, word: int) -> bool:
        """Whether the variable has this value at a word of any document."""
        if isinstance(self.asked, PlaneQuestion):
            numbers = {name: document.truth[name][word] for name in "ab" if name in document.truth}
            return self.asked.holds(numbers)
        values = document.truth.get(self.variable)
        return values is not None and values[word] == self.asked


class Truths(NamedTuple):
    """What features tell about the world, and the texts on which they were asked."""

    best: dict[int, Told]
    """By feature; those that tell nothing are missing."""
    live: Bool[np.ndarray, " F"]
    """Whether a feature fires in the texts."""
    columns: dict[str, Columns]
    """Phenomenon, or place in a sum -> what rules can ask there."""
    documents: int
    seed: int

    def agrees(self, rule: Rule | None, feature: int) -> bool:
        """Whether a rule names what a feature tells."""
        if rule is None:
            return False
        best = self.best[feature]
        columns = self.columns[best.where if isinstance(best.asked, PlaneQuestion) else best.phenomenon]
        return answers_right(best.truth, rule.holds(columns, best.rows)[best.rows])


class _Texts(NamedTuple):
    """Documents as windows, and where features fire in them."""

    documents: Sequence[Document]
    columns: Columns
    context: int
    fires: sparse.csc_array
    """[tokens, features]"""
    by_token: sparse.csr_array
    """The same, by rows."""

    def rows(self, tokens: Sequence[Labelled]) -> np.ndarray:
        """The tokens of some labelled words: `<s>` stands before the first."""
        return np.array([token.document * self.context + token.word + 1 for token in tokens])

    def fired(self, feature: int) -> np.ndarray:
        """The tokens on which a feature fires."""
        return self.fires.indices[self.fires.indptr[feature] : self.fires.indptr[feature + 1]]

    def inside(self, feature: int, best: Told) -> int:
        """How many firings lie where the variable has the value."""
        document, place = np.divmod(self.fired(feature), self.context)
        words = [(self.documents[d], at - 1) for d, at in zip(document.tolist(), place.tolist(), strict=True)]
        return sum(0 <= word < len(text.words) and best.holds(text, word) for text, word in words)


def examine(
    asked: Asked, *, documents: int = 400, seed: int = 0, phenomena: Sequence[str] = (), progress: Tell | None = None
) -> Truths:
    """What each feature tells: all phenomena of the world, or some; sums on every prompt where `addition` is asked."""
    tell = progress or (lambda _, __: None)
    best: dict[int, Told] = {}
    texts: dict[str, _Texts] = {}
    for name in phenomena or tuple(module.PHENOMENON for module in BASE):
        made = drawn(name, documents, seed).documents
        texts[name] = _read(asked, made, tell)
        for exam in exams(places(made)):
            _examine(name, exam, texts[name], best)
    columns = {name: read.columns for name, read in texts.items()}
    if PLANE_PHENOMENON in texts:
        plane = _plane(asked, tell)
        columns |= dict.fromkeys(_PLACES, plane.columns)
        for at in _PLACES:
            _examine_plane(at, plane, best)
    live = np.any([np.diff(read.fires.indptr) > 0 for read in texts.values()], axis=0)
    found = {feature: one._replace(about=_about(feature, one, texts.values())) for feature, one in best.items()}
    return Truths(dict(sorted(found.items())), live, columns, documents, seed)


def _about(feature: int, best: Told, texts: Iterable[_Texts]) -> float:
    known = [(read.inside(feature, best), len(read.fired(feature))) for read in texts]
    inside, fired = map(sum, zip(*known, strict=True))
    return inside / fired if fired else 0.0


def _examine(phenomenon: str, exam: Exam, read: _Texts, best: dict[int, Told]) -> None:
    """Ask an exam; features that tell a question of it better than what they told so far, on both halves, get it."""
    rows = read.rows(exam.tokens)
    fires = read.by_token[rows]
    even = np.array([token.document % 2 == 0 for token in exam.tokens])
    first = told(exam, fires, even)
    for feature in np.flatnonzero(first.f1).tolist():
        f1 = float(first.f1[feature])
        if feature in best and best[feature].f1 >= f1:
            continue
        truth = (exam.answer == first.question[feature])[~even]
        if answers_right(truth, np.isin(rows[~even], read.fired(feature))):
            value = exam.values[int(first.question[feature])]
            best[feature] = Told(f1, phenomenon, exam.variable, value, exam.where, truth, rows[~even])


def _examine_plane(at: str, read: _Texts, best: dict[int, Told]) -> None:
    rows = np.arange(SIDE * SIDE) * read.context + _PLACES[at]
    fires = read.by_token[rows].tocsc()
    for feature in np.flatnonzero(np.diff(fires.indptr) >= SIDE // 2).tolist():
        fired = np.zeros(SIDE * SIDE, bool)
        fired[fires.indices[fires.indptr[feature] : fires.indptr[feature + 1]]] = True
        f1, question = plane_questions(fired)
        if question is not None and (feature not in best or best[feature].f1 < f1):
            best[feature] = Told(f1, PLANE_PHENOMENON, question.variable, question, at, question.truth(), rows)


def _ids(document: Document, length: int) -> list[int]:
    """A document behind `<s>`, its line end, and padding that nothing before it sees."""
    ids = ids_of((*document.words, SEPARATOR))
    return ids + [TOKEN_ID[PAD]] * (length - len(ids))


def _read(asked: Asked, documents: Sequence[Document], tell: Tell) -> _Texts:
    context = max(len(document.words) for document in documents) + 2
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for number, document in enumerate(documents):
        alike[min(context, -(-(len(document.words) + 2) // _ROUNDED) * _ROUNDED)].append(number)
    token, feature = [], []
    for length, numbers in alike.items():
        windows = np.array([_ids(documents[number], length) for number in numbers])
        found = firing(asked.subject, windows, lambda more: tell("tokens asked", more), least=asked.least)
        window, position = np.divmod(found.token, length)
        token.append(np.array(numbers)[window] * context + position)
        feature.append(found.features)
    windows = np.array([_ids(document, context) for document in documents])
    return _texts(documents, windows, np.concatenate(token), np.concatenate(feature), asked)


def _plane(asked: Asked, tell: Tell) -> _Texts:
    sums = zip(PLANE["a"].tolist(), PLANE["b"].tolist(), strict=True)
    windows = np.array([ids_of(("calc", ":", str(a), "+", str(b), "=", str(a + b))) for a, b in sums])
    found = firing(asked.subject, windows, lambda more: tell("tokens asked", more), least=asked.least)
    return _texts((), windows, found.token, found.features, asked)


def _texts(
    documents: Sequence[Document], windows: np.ndarray, token: np.ndarray, feature: np.ndarray, asked: Asked
) -> _Texts:
    fires = by_feature((token, feature), asked.subject.n_features, windows.size)
    return _Texts(documents, Columns(windows, words(VOCABULARY)), windows.shape[1], fires.tocsc(), fires)
