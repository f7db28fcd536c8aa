import numpy as np
import pytest

from gearscope.errors import ArtifactError, TargetError
from gearscope.features.records import NewLabel
from gearscope.features.store import Library
from gearscope.ids import FeatureId
from tests.features.tiny import RULES, WORDS


def of(library: Library, name: str):
    return library.record(library.number(FeatureId.parse(name)))


def test_features_do_what_was_planted(read_only):
    library = read_only
    cat = of(library, "0/0")
    assert [t.text for t in cat.triggers] == [" cat"]
    assert (cat.triggers[0].precision, cat.triggers[0].recall) == (1, 1)
    assert cat.input_score == pytest.approx(1)
    assert {e.tokens[e.position] for e in cat.examples} == {" cat"}
    behind = of(library, "2/0")
    assert {e.tokens[e.position - 1] for e in behind.examples} == {" cat"}
    assert behind.input_score < 0.2
    assert of(library, "2/1").cofiring[0].feature == FeatureId(0, 1)
    assert of(library, "2/2").density == 1
    dead = of(library, "2/7")
    assert (dead.fired, dead.examples, dead.deciles, dead.histogram, dead.cofiring) == (0, (), (), (), ())
    assert set(RULES) <= {str(library.feature(number)) for number in range(library.n_features)}


def test_an_example_shows_every_firing_of_its_window(read_only):
    library = read_only
    both = of(library, "2/1")
    for example in both.examples:
        fires = [text in (" cat", " dog") for text in example.tokens]
        assert ((example.activations > 0) == (np.array(fires) & (np.arange(16) > 0))).all()
        assert example.activations[example.position] == pytest.approx(example.activation)
    top = [e.activation for e in both.examples if e.decile == 0]
    assert len(top) == 20
    assert top == sorted(top, reverse=True)
    assert len({e.window for e in both.examples if e.decile == 0}) == 20


def test_histograms_hold_every_firing_and_the_maximum(read_only):
    library = read_only
    for number in range(library.n_features):
        record = library.record(number)
        assert sum(b.count for b in record.histogram) == record.fired
        if record.fired:
            assert record.histogram[-1].low <= record.max_activation < record.histogram[-1].high
            assert record.deciles == tuple(sorted(record.deciles))


def test_names_and_numbers(read_only):
    library = read_only
    assert library.number(FeatureId(2, 3)) == 15
    assert library.feature(15) == FeatureId(2, 3)
    assert library.numbers(2) == range(12, 20)
    with pytest.raises(TargetError, match=r"layer 0, 2 .*; found 1/0"):
        library.number(FeatureId(1, 0))
    with pytest.raises(TargetError, match=r"below 8 .* layer 2; found 2/8"):
        library.number(FeatureId(2, 8))
    with pytest.raises(ArtifactError, match="features below 20"):
        library.feature(20)


def test_a_label_is_seen_by_a_library_that_was_opened_before(library):
    assert library.notes.shown([0]) == {}
    with library.write_notes() as notes:
        notes.add_labels([NewLabel(0, "cats", "rule", score=0.9, baseline=0.1, scored_by="token_f1")])
    assert library.notes.shown([0, 1])[0].text == "cats"
    Library.open(library.folder, check_sums=True).close()


def test_words_are_found_in_windows(read_only):
    library = read_only
    found = library.text.windows_with("the cat", 1000)
    ids = library.windows.tolist()
    expected = [w for w, row in enumerate(ids) if any(row[i : i + 2] == [1, 2] for i in range(15))]
    assert found == expected
    assert WORDS[2] == " cat"
