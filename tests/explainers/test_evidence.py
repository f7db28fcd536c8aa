"""What is shown is not scored, and where a feature is said not to fire it does not."""

import numpy as np
import pytest

from gearscope.explainers.config import EvidenceConfig
from gearscope.explainers.evidence import evidence, half_width, quiet
from gearscope.explainers.prompts import by_contrast, by_examples, by_output
from tests.explainers.conftest import SMALL
from tests.features.tiny import WORDS, tiny_library

CONFIG = SMALL.evidence


def dense_rows(dense, passage):
    """Where the tokens of a passage stand in the windows: (window, begin)."""
    ids = [WORDS.index(token) for token in passage.tokens]
    n = len(ids)
    for window, row in enumerate(dense.windows):
        for begin in range(len(row) - n + 1):
            if row[begin : begin + n].tolist() == ids:
                yield window, begin


@pytest.mark.parametrize("number", [0, 4, 12, 13, 14])
def test_examples_are_parted_and_their_activations_are_those_of_the_text(library, dense, number):
    found = evidence(library, number, CONFIG)
    assert 1 <= len(found.shown) <= CONFIG.shown
    assert found.kept
    texts = [passage.text for passage in (*found.shown, *found.kept)]
    assert len(set(texts)) == len(texts)
    largest = dense.acts[..., number].max()
    for passage in (*found.shown, *found.kept):
        true = [
            dense.acts[window, begin : begin + len(passage.tokens), number]
            for window, begin in dense_rows(dense, passage)
        ]
        close = [np.allclose(passage.activations, row, rtol=2e-3, atol=largest / 250) for row in true]
        assert any(close)
        assert any(((row > 0) == (np.array(passage.activations) > 0)).all() for row in true)


def test_largest_and_weaker_activations_are_both_shown(library):
    found = evidence(library, 13, CONFIG)
    strongest = [max(passage.activations) for passage in found.shown]
    assert strongest == sorted(strongest, reverse=True)
    assert strongest[-1] < 0.8 * strongest[0]


@pytest.mark.parametrize("number", [0, 4, 12, 13])
@pytest.mark.parametrize("scores", [False, True])
def test_quiet_stretches_are_quiet(library, dense, part, number, scores):
    drawn, hard = quiet(library, part, number, half=3, drawn=8, hard=6, seed=0, scores=scores)
    texts = [passage.text for passage in (*drawn, *hard)]
    assert len(drawn) >= 4
    assert len(set(texts)) == len(texts)
    for passage in (*drawn, *hard):
        places = list(dense_rows(dense, passage))
        assert places
        assert any(not dense.acts[w, b : b + len(passage.tokens), number].any() for w, b in places)


def test_hard_stretches_look_alike(library, dense, part):
    """2/0 fires behind `cat`: hard are stretches around features that fire with it or write alike."""
    record = library.record(13, examples=False)
    near = [library.number(one.feature) for one in (*record.cofiring[:5], *record.neighbours[:5])]
    triggers = [trigger.token for trigger in record.triggers]
    hard = quiet(library, part, 13, half=3, drawn=0, hard=8, seed=0, scores=False).hard
    assert hard
    for passage in hard:
        centres = [(w, b + min(3, len(passage.tokens) - 1)) for w, b in dense_rows(dense, passage)]
        assert any(
            dense.windows[w, max(0, c - 3) : c + 4].tolist()
            and (
                np.isin(dense.windows[w, max(0, c - 3) : c + 4], triggers).any()
                or dense.acts[w, max(0, c - 3) : c + 4][:, near].any()
            )
            for w, c in centres
        )


def test_draws_repeat_with_the_seed_and_differ_between_seeds(library, part):
    first, again, other = (
        quiet(library, part, 0, half=3, drawn=8, hard=4, seed=seed, scores=True) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_a_feature_that_fires_everywhere_has_no_quiet_stretch(library, part):
    assert quiet(library, part, 14, half=3, drawn=8, hard=4, seed=0, scores=True) == ((), ())


def test_no_more_tokens_than_those_whose_firings_are_kept(tmp_path):
    with tiny_library(tmp_path / "lib", around=4) as library:
        assert half_width(library, EvidenceConfig(around=12)) == 2


def test_what_each_explainer_is_shown(library, part):
    found = evidence(library, 0, CONFIG)
    whole = by_examples(found).messages[-1].content
    assert "[[cat]]" in whole
    assert '"strongest": " cat"' in whole
    assert "<next_tokens>" in whole
    assert "<promotes>" in whole
    none = quiet(library, part, 0, half=3, drawn=2, hard=2, seed=0, scores=False)
    beside = by_contrast(found, none).messages[-1].content
    assert all(passage.text in beside for passage in none.drawn)
    bare = by_output(found).messages[-1].content
    assert "[[" not in bare
    assert "<fires>" not in bare
    assert all(f'"{token}"' in bare for token in found.promoted)
