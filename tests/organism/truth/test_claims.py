"""What hand-made maps say, and the bar of causal planning."""

import pytest

from gearscope.organism.truth.claims import carriers, claim, planning
from tests.oracles.hand_map import TWO_HOPS, hand_map


def test_a_claim_follows_the_variable_through_the_layers():
    assert claim(TWO_HOPS) == (
        "hops/state: in the embeddings at a, after 1 to 2 blocks at b, after 3 blocks at =; at b as designed"
    )


def test_half_of_the_pairs_is_enough_and_less_is_not():
    table = hand_map([(10, 9, 0), (0, 0, 20)])
    assert carriers(table, 0) == (0,)
    assert carriers(table, 1) == (2,)


@pytest.mark.parametrize(
    ("moved", "intended", "said"),
    [
        ([(20, 0, 0), (4, 5, 3), (0, 0, 20)], ("b",), "after 1 block at no single position (at most 25%, b)"),
        ([(20, 0, 0), (4, 5, 3), (0, 0, 20)], ("b",), "; the design expects it at b, which moves at most 25%"),
        ([(20, 0, 0), (15, 0, 0), (0, 0, 20)], ("a",), "up to 1 block at a, after 2 blocks at =; at a as designed"),
        ([(20, 0, 0), (0, 0, 20), (0, 0, 20)], ("a",), "; at a as designed, in the embeddings alone"),
        ([(20, 0, 0), (0, 20, 0), (0, 0, 20)], ("="), "; at b, which the design does not expect, the design expects"),
        ([(20, 0, 0), (0, 20, 20), (0, 0, 20)], ("b",), "after 1 block at b and =, after 2 blocks at =; at b as"),
        ([(0, 0, 0), (0, 0, 20), (0, 0, 20)], ("=",), "in the embeddings at no single position, after 1 to 2"),
    ],
)
def test_a_claim_says_where_the_truth_is_not_what_was_designed(moved, intended, said):
    assert said in claim(hand_map(moved, intended=intended))


def test_the_last_layer_does_not_make_the_end_of_the_prompt_right():
    """After the last block the end holds everything; a design that expects it there must be met before."""
    assert "which moves at most 0%" in claim(hand_map([(20, 0, 0), (20, 0, 0), (0, 0, 20)], intended=("=",)))


def test_a_map_without_pairs_says_nothing_and_one_without_design_compares_nothing():
    assert "continues no pair" in claim(hand_map([(0, 0, 0)] * 3, counted=0))
    assert ";" not in claim(hand_map([(20, 0, 0), (0, 0, 20)], intended=()))


LINE = ("w", "end", "break", "next")


@pytest.mark.parametrize(
    ("moved", "layer", "at_place", "elsewhere", "where", "holds"),
    [
        ([(0, 20, 0, 0), (0, 9, 11, 0), (0, 1, 19, 0), (0, 0, 0, 20)], 2, 0.95, 0.05, "end", True),
        ([(0, 20, 0, 0), (2, 2, 18, 0), (0, 0, 20, 0), (0, 0, 0, 20)], 1, 0.9, 0.1, "w", True),
        ([(0, 20, 0, 0), (0, 3, 20, 0), (0, 0, 17, 3), (0, 0, 0, 20)], 1, 1.0, 0.15, "end", False),
        ([(0, 20, 0, 0), (0, 0, 4, 16), (0, 0, 0, 20), (0, 0, 0, 20)], 1, 0.2, 0.0, "w", False),
    ],
)
def test_planning_holds_where_the_break_alone_carries_the_plan(moved, layer, at_place, elsewhere, where, holds):
    found = planning(hand_map(moved, roles=LINE, intended=("break",)), "break")
    assert found[:3] == pytest.approx((layer, at_place, elsewhere))
    assert (found.where, found.holds) == (where, holds)


def test_places_after_the_break_are_free():
    moved = [(0, 20, 0, 0), (0, 0, 20, 20), (0, 0, 0, 20)]
    assert planning(hand_map(moved, roles=LINE, intended=("break",)), "break").holds
