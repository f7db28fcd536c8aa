"""Swaps against the documents of the world: what follows a prompt there is what its swap accepts."""

from collections import defaultdict

import pytest

from gearscope.organism.truth import concepts, grammar
from gearscope.organism.truth.concepts import SHOWN_WORDS
from gearscope.organism.world import topics
from gearscope.organism.world.phenomena import compositions
from gearscope.organism.world.topic_words import TOPICS
from gearscope.organism.world.vocabulary import VOCABULARY

VARIABLES = {variable.name: variable for variable in (*concepts.VARIABLES, *grammar.VARIABLES)}
FROM_DOCUMENTS = [name for name in VARIABLES if name != "topic_shown"]
DIFFERING = {
    "topic_named": {"topic"},
    "smallness": {"thing"},
    "smallness_beside": {"thing"},
    "conflict": {"wish"},
    "deflection": {"cue"},
    "exception": {"noun"},
    "exception_plural": {"noun", "form"},
    "number": {"subject"},
    "style": {"station", "host"},
    "sense": {f"line {n}" for n in range(1, 7)},
    "topic_shown": {f"sentence {n}" for n in range(1, SHOWN_WORDS)},
}
"""Roles at which base and source may differ."""


def following(phenomenon, splits, longest=24):
    """Beginning of a document -> the words that follow it in all the compositions of some splits."""
    table = defaultdict(set)
    for split in splits:
        for document in compositions(phenomenon, split):
            for end in range(1, min(len(document.words), longest)):
                table[document.words[:end]].add(document.words[end])
    return table


@pytest.mark.parametrize("name", FROM_DOCUMENTS)
def test_kept_follows_the_base_in_documents_and_moved_follows_the_source(name):
    variable = VARIABLES[name]
    table = following(variable.phenomenon, ("train", "heldout"))
    for swap in variable.swaps():
        assert table[swap.base] == swap.kept, swap.base
        assert table[swap.source] == swap.moved, swap.source


@pytest.mark.parametrize("name", FROM_DOCUMENTS)
def test_one_of_the_two_prompts_is_held_out_at_least(name):
    variable = VARIABLES[name]
    shown = following(variable.phenomenon, ("train",))
    for swap in variable.swaps():
        assert swap.base not in shown or swap.source not in shown


def test_a_topic_is_shown_by_one_of_its_sentences_and_the_pair_is_held_out():
    owner = {tuple(text.split()): name for name, topic in TOPICS.items() for text in topic.sentences}
    frames = {tuple(text.split()[:6]): index for index, text in enumerate(topics.SHARED)}
    for swap in VARIABLES["topic_shown"].swaps():
        base, source = owner[swap.base[:SHOWN_WORDS]], owner[swap.source[:SHOWN_WORDS]]
        assert swap.base[SHOWN_WORDS:] == swap.source[SHOWN_WORDS:]
        assert (base, frames[swap.base[SHOWN_WORDS:]]) in topics.HELD_OUT
        assert swap.kept == {thing.split()[0] for thing in TOPICS[base].things}
        assert swap.moved == {thing.split()[0] for thing in TOPICS[source].things}


@pytest.mark.parametrize("name", list(VARIABLES))
def test_swaps_differ_where_the_variable_is_written_and_nowhere_else(name):
    variable = VARIABLES[name]
    swaps = variable.swaps()
    assert 30 <= len(swaps) <= 150
    assert swaps == variable.swaps()
    assert len(set(variable.roles)) == len(variable.roles)
    assert set(variable.intended) <= set(variable.roles)
    known = set(VOCABULARY)
    for base, source, kept, moved, _ in swaps:
        assert len(base) == len(source) == len(variable.roles)
        assert {*base, *source, *kept, *moved} <= known
        assert kept
        assert moved
        assert not kept & moved
        differing = {role for role, a, b in zip(variable.roles, base, source, strict=True) if a != b}
        assert differing
        assert differing <= DIFFERING[name]
