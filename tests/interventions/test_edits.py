"""The text form of edits: every form, every way to get it wrong."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gearscope.errors import ConfigError
from gearscope.ids import FeatureAt
from gearscope.interventions.edits import NodeEdit, parse_edit, parse_edits


@pytest.mark.parametrize(
    ("text", "operation", "amount"),
    [
        ("3/18@6=3.1", "set", 3.1),
        ("3/18@6=-3", "set", -3.0),
        ("3/18@6=1e+2", "set", 100.0),
        ("3/18@6=2max", "set_max", 2.0),
        ("3/18@6=-.5max", "set_max", -0.5),
        ("3/18@6*0", "scale", 0.0),
        ("3/18@6*-1", "scale", -1.0),
        (" 3/18@6+1.5 ", "add", 1.5),
        ("3/18@6+-1.5", "add", -1.5),
    ],
)
def test_features(text: str, operation: str, amount: float) -> None:
    edit = parse_edit(text)
    assert (edit.operation, edit.amount, edit.at) == (operation, amount, FeatureAt(3, 18, 6))
    assert parse_edit(str(edit)) == edit


@pytest.mark.parametrize("name", ["sum", "36+59", "a=b", "ones digit", "x*2=y", "ünï:code", "a<-b"])
def test_supernodes_have_any_name(name: str) -> None:
    edit = parse_edit(f"supernode:{name}*0")
    assert (edit.supernode, edit.operation, edit.at) == (name, "scale", None)
    assert parse_edit(str(edit)) == edit


@pytest.mark.parametrize("other", ["other.json", "a/b:c/other.json", "name"])
def test_swaps(other: str) -> None:
    edit = parse_edit(f"swap:Texas<-{other}:the other: one")
    assert (edit.supernode, edit.other_graph, edit.other_supernode) == ("Texas", other, "the other: one")
    assert parse_edit(str(edit)) == edit


@given(
    st.sampled_from(["set", "set_max", "scale", "add"]),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.integers(0, 10**6),
)
def test_written_and_read_again(operation: str, amount: float, number: int) -> None:
    edit = NodeEdit(operation=operation, feature=f"1/{number}@2", amount=amount)
    again = parse_edit(str(edit))
    assert again.feature == edit.feature
    assert math.isclose(again.amount, edit.amount, rel_tol=1e-11)


@pytest.mark.parametrize(
    "text",
    [
        *("", "3/18@6", "3/18*0", "3/18@6*", "3/18@6=2MAX", "3/18@6*2max", "3/18@6-1", "3/18@-1*0", "6*0"),
        *("supernode:*0", "supernode:a", "swap:a", "swap:a<-b", "swap:<-b.json:c"),
    ],
)
def test_nonsense_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match=r"edit|swap|set: =Nmax|supernode"):
        parse_edit(text)


@pytest.mark.parametrize("amount", ["nan", "inf", "-inf", "1e999", "NaN"])
def test_only_finite_numbers(amount: str) -> None:
    with pytest.raises(ConfigError, match="finite"):
        parse_edit(f"3/18@6={amount}")


@pytest.mark.parametrize("edits", [["1/2@3*0", "1/2@3=4"], ["supernode:a*0", "supernode:a*2"]])
def test_contradictions(edits: list[str]) -> None:
    with pytest.raises(ConfigError, match="contradict"):
        parse_edits(edits)


def test_no_edits() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        parse_edits([])


@pytest.mark.parametrize(
    "settings",
    [
        {"operation": "scale"},
        {"operation": "scale", "feature": "1/2@3", "supernode": "a"},
        {"operation": "scale", "feature": "1-2"},
        {"operation": "swap", "supernode": "a"},
        {"operation": "set", "feature": "1/2@3", "amount": float("nan")},
        {"operation": "set", "supernode": "a", "other_graph": "x.json", "other_supernode": "b"},
    ],
)
def test_edits_that_are_none(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        NodeEdit.of(**settings)
