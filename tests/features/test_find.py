"""Searches find what was planted, and nothing else."""

import numpy as np
import pytest

from gearscope.errors import ConfigError, TargetError
from gearscope.features.find import Query, by_direction, find
from gearscope.features.records import NewLabel


def names(library, **query) -> list[str]:
    return [str(hit.feature) for hit in find(library, Query.of(**query))]


def test_by_token(read_only):
    assert set(names(read_only, token="cat", most=100)) >= {"0/0", "2/1", "2/2"}
    assert names(read_only, token=" cat")[0] == "0/0"
    assert "2/7" not in names(read_only, token="cat", most=100)
    with pytest.raises(ConfigError, match="a token of tiny was expected; found 'zebra'"):
        find(read_only, Query(token="zebra"))


@pytest.mark.parametrize(("side", "column"), [("promotes", "promoted"), ("suppresses", "suppressed")])
def test_by_what_is_written(read_only, side, column):
    found = names(read_only, **{side: "mat"}, most=100)
    records = [read_only.record(n, examples=False) for n in range(read_only.n_features)]
    effect = {str(r.feature): abs(e.effect) for r in records for e in getattr(r, column) if e.text == " mat"}
    assert found == sorted(effect, key=lambda name: -effect[name])


def test_by_text_of_examples(read_only):
    found = find(read_only, Query(text="cat dog", most=100))
    assert found
    for hit in found:
        texts = ["".join(e.tokens) for e in read_only.record(hit.number).examples]
        assert hit.score == sum("cat dog" in text for text in texts)
    without = set(range(20)) - {hit.number for hit in found}
    assert not any("cat dog" in "".join(e.tokens) for n in without for e in read_only.record(n).examples)
    assert find(read_only, Query(text="no such words")) == []


def test_by_neighbours_and_by_a_direction(read_only):
    record = read_only.record(3)
    assert names(read_only, near="0/3") == [str(n.feature) for n in record.neighbours][:20]
    cosine = by_direction(read_only, 5 * read_only.directions([3])[0])
    hits = find(read_only, Query(most=3), {"direction": cosine})
    assert hits[0].number == 3
    assert hits[0].score == pytest.approx(1, abs=0.01)
    with pytest.raises(ConfigError, match="a finite direction of 8 numbers"):
        by_direction(read_only, np.zeros(8, np.float32))
    with pytest.raises(TargetError, match="below 12"):
        find(read_only, Query(near="0/12"))


def test_filters_and_sorting(read_only):
    assert names(read_only, dead=True) == ["0/11", "2/7"]
    assert set(names(read_only, layers=(2,), most=100)) == {f"2/{i}" for i in range(8)}
    assert names(read_only, sort="density")[0] == "2/2"
    assert names(read_only, max_density=0.5, sort="density", most=1) != ["2/2"]
    density = [hit.density for hit in find(read_only, Query(sort="density", most=100))]
    assert density == sorted(density, reverse=True)
    assert set(names(read_only, min_input_score=0.99)) >= {"0/0", "0/5"}
    assert "2/0" not in names(read_only, min_input_score=0.99)
    assert names(read_only, kinds=("sae",)) == []
    with pytest.raises(TargetError, match="layer 0, 2"):
        find(read_only, Query(layers=(1,)))


def test_everything_that_is_asked_for_holds(read_only):
    both = set(names(read_only, token="cat", layers=(2,), most=100))
    assert both == {name for name in names(read_only, token="cat", most=100) if name.startswith("2/")}


def test_by_label_rule_and_score(library):
    labels = [
        NewLabel(0, "fires on the token cat", "rule", score=0.9, baseline=0.1, scored_by="token_f1"),
        NewLabel(1, "dogs and other animals", "llm", model="some", score=0.4),
        NewLabel(2, "sitting down", "human"),
        NewLabel(3, "numbers that end in five", "llm", model="some", score=0.8),
        NewLabel(4, "numerals ending with 5", "llm", model="some", score=0.7),
    ]
    with library.write_notes() as notes:
        notes.add_labels(labels)
    assert names(library, label="cat") == ["0/0"]
    assert names(library, label="a dog")[0] == "0/1"
    assert names(library, label="number ending")[:2] in (["0/3", "0/4"], ["0/4", "0/3"])
    assert names(library, label="sit")[0] == "0/2"
    assert names(library, rule="token cat") == ["0/0"]
    assert names(library, rule="numbers") == []
    assert set(names(library, min_score=0.75)) == {"0/0", "0/3"}
    assert names(library, label="numbers", min_score=0.75) == ["0/3"]
    assert find(library, Query(label="cat"))[0].label == "fires on the token cat"
    with pytest.raises(ConfigError, match="words to search labels for"):
        find(library, Query(label=" ?! "))


def test_what_was_computed_elsewhere_is_one_more_criterion(read_only):
    scores = np.full(20, np.nan)
    scores[[4, 12]] = [1, 2]
    assert [hit.number for hit in find(read_only, Query(), {"contrast": scores})] == [12, 4]
    assert [hit.number for hit in find(read_only, Query(layers=(0,)), {"contrast": scores})] == [4]


def test_by_what_a_rule_asks_for(library):
    rules = {
        0: 'recent in ["capital", "state"]',
        1: 'token in ["is"] and sum.ones in [5, 15]',
        2: 'token in ["recent in [\\"capital"]',
        3: 'token@+1 in ["capital"] or recent in ["city"]',
    }
    with library.write_notes() as notes:
        notes.add_labels([NewLabel(n, "x", "rule", score=n / 10, details={"rule": rule}) for n, rule in rules.items()])
        notes.add_labels([NewLabel(4, "recent capital", "human", details={"rule": rules[0]})])
    for asked, numbers in {
        "recent=Capital": [0],
        "sum.ones=5": [1],
        "sum.ones=1": [],
        "token@+1=capital": [3],
        "recent=city": [3],
        "token=is": [1],
        "token=capital": [],
    }.items():
        assert [hit.number for hit in find(library, Query(rule=asked))] == numbers, asked
