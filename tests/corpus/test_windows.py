"""Windows: no token lost or doubled, from any place on, each side of the split its own texts."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.corpus.windows import Corpus, TextCorpus, is_held_out
from gearscope.errors import ArtifactError


class Listed:
    """Texts in memory. Fulfils `corpus.windows.Texts`."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    @property
    def fingerprint(self) -> str:
        return "|".join(self.texts)

    def pieces(self, place):
        for number in range(0 if place is None else place["next"], len(self.texts)):
            yield self.texts[number], {"next": number + 1}


def encode(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def corpus(texts, *, context=5, first=1, between=2, split="train") -> TextCorpus:
    return TextCorpus(Listed(*texts), encode, context=context, first=first, between=between, split=split)


TEXTS = [f"text {number} " + "abcdefghij"[: number % 10] for number in range(60)]
SHOWN = [text for text in TEXTS if not is_held_out(text)]
KEPT = [text for text in TEXTS if is_held_out(text)]


def flat(texts: list[str]) -> list[int]:
    return [token for text in texts for token in [*encode(text), 2]]


def test_windows_hold_the_texts_one_after_another_and_begin_again_after_the_last():
    made = corpus(TEXTS)
    assert isinstance(made, Corpus)
    rows = made.take(400, None).ids
    assert rows.shape == (400, 5)
    assert set(rows[:, 0].tolist()) == {1}
    twice = flat(SHOWN) * 3
    assert rows[:, 1:].flatten().tolist() == twice[: 400 * 4]


def test_windows_behind_the_end_say_how_long_the_corpus_is():
    made, tokens = corpus(TEXTS), sum(len(text) for text in SHOWN)
    assert made.take(3, None).whole is None
    once = made.take(3, None)
    assert made.take(400, None).whole == tokens
    assert made.take(400, once.place).whole == tokens


def test_the_held_out_side_has_the_other_texts():
    assert 0 < len(KEPT) < len(SHOWN)
    rows = corpus(TEXTS, split="held_out").take(5, None).ids
    assert rows[:, 1:].flatten().tolist() == (flat(KEPT) * 9)[:20]


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.integers(1, 40), min_size=1, max_size=5), first=st.booleans())
def test_any_way_of_taking_gives_the_same_windows(steps, first):
    made = corpus(TEXTS, first=1 if first else None)
    whole = made.take(sum(steps), None).ids.tolist()
    place, rows = None, []
    for step in steps:
        taken = made.take(step, place)
        place = json.loads(json.dumps(taken.place))
        rows += taken.ids.tolist()
    assert rows == whole


def test_a_corpus_without_text_is_one_clear_error():
    with pytest.raises(ArtifactError, match="text to train on was expected in the corpus; found none"):
        corpus([]).take(1, None)
    with pytest.raises(ArtifactError, match="held-out text was expected"):
        corpus(SHOWN[:3], split="held_out").take(1, None)
    with pytest.raises(ArtifactError, match="text to train on"):
        corpus(["", ""], between=None).take(1, None)


def test_the_fingerprint_changes_with_text_and_cut():
    prints = {
        corpus(TEXTS).fingerprint,
        corpus(TEXTS[:-1]).fingerprint,
        corpus(TEXTS, context=6).fingerprint,
        corpus(TEXTS, split="held_out").fingerprint,
    }
    assert len(prints) == 4
