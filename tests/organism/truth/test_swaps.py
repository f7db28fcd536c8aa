"""The swaps of facts and languages: what differs between base and source, and what is right before and after."""

from collections import defaultdict

import pytest

from gearscope.organism.truth import languages, names, two_hops
from gearscope.organism.world import languages as world_languages
from gearscope.organism.world import names as world_names
from gearscope.organism.world import two_hops as world_two_hops
from gearscope.organism.world.language_words import LEXICON, apply
from gearscope.organism.world.name_words import FAMILIAR, HELD_OUT_STRANGERS, KNOWN, VALUES

EVERY = [v for module in (two_hops, names, languages) for v in module.VARIABLES]
VARIABLES = {f"{v.phenomenon}_{v.name}": v for v in EVERY}
DIFFERS = {
    "two_hops_state": {"city_1", "city_2"},
    "two_hops_relation": {"relation"},
    "two_hops_state_in_quiz": {"city_1", "city_2"},
    "two_hops_relation_in_quiz": {"relation"},
    "names_known": {"first", "last"},
    "names_gate": {"first", "last"},
    "names_person": {"first", "last"},
    "names_fact": {"fact"},
    "names_misfire": {"first", "last"},
    "languages_concept": {"word"},
    "languages_operation": {"article", "operation"},
    "languages_language": set(languages.ROLES),
    "languages_concept_across": set(languages.ROLES),
}


@pytest.mark.parametrize("name", list(VARIABLES))
def test_prompts_have_one_form_and_differ_only_as_said(name):
    variable = VARIABLES[name]
    swaps = variable.swaps()
    assert swaps == variable.swaps()
    assert 100 <= len(swaps) <= 150
    assert set(variable.intended) <= set(variable.roles)
    assert len(set(variable.roles)) == len(variable.roles)
    seen = set()
    for swap in swaps:
        assert len(swap.base) == len(swap.source) == len(variable.roles)
        differing = [r for r, a, b in zip(variable.roles, swap.base, swap.source, strict=True) if a != b]
        assert differing
        seen |= set(differing)
        assert swap.kept
        assert swap.moved
        assert not swap.kept & swap.moved
    assert seen <= DIFFERS[name]
    assert len({(s.base, s.source) for s in swaps}) > 0.9 * len(swaps)


def _answers(documents):
    """Prompt -> next words, read off documents."""
    table = defaultdict(set)
    for document in documents:
        table[document.words[: document.answer[0]]].add(document.words[document.answer[0]])
    return table


@pytest.fixture(scope="module")
def known():
    """What comes next after every prompt of the three worlds that has one answer."""
    worlds = (world_two_hops, world_names, world_languages)
    return _answers(d for w in worlds for split in ("train", "heldout") for d in w.compositions(split))


@pytest.mark.parametrize("name", [n for n in VARIABLES if n not in ("names_misfire", "languages_concept_across")])
def test_base_and_source_are_answered_as_the_world_answers_them(name, known):
    for swap in VARIABLES[name].swaps():
        assert swap.kept == known[swap.base]
        assert swap.moved == known[swap.source]


def test_a_concept_of_another_language_is_answered_in_the_language_of_the_base():
    home = {word: (language, concept) for language, table in LEXICON.items() for concept, word in table.items()}
    stems = {"opp": "opposite", "con": "opposite", "syn": "synonym", "sin": "synonym", "cat": "category"}
    for swap in languages.concept_across_swaps():
        (here, _), (there, concept) = home[swap.base[3]], home[swap.source[3]]
        assert here != there
        operation = stems[swap.base[1][:3]]
        assert swap.moved == {LEXICON[here][apply(operation, concept)]}
        assert swap.right_after_source == {LEXICON[there][apply(operation, concept)]}


def test_bases_are_held_out():
    held = {d.words[: d.answer[0]] for w in (world_two_hops, world_languages) for d in w.compositions("heldout")}
    for variable in two_hops.VARIABLES + languages.VARIABLES:
        assert all(swap.base in held for swap in variable.swaps())


def test_statuses_of_the_people_that_are_swapped():
    def people(swaps):
        return [{swap.base[5:7], swap.source[5:7]} for swap in swaps]

    assert all(len(p & set(KNOWN)) == 1 == len(p & set(HELD_OUT_STRANGERS)) for p in people(names.known_swaps()))
    assert all(p <= set(KNOWN) for p in people(names.gate_swaps() + names.person_swaps() + names.fact_swaps()))
    for swap in names.gate_swaps():
        assert ("i" in swap.kept) != ("i" in swap.moved)
    for swap in names.misfire_swaps():
        assert swap.base[5:7] in FAMILIAR
        assert swap.kept == set(VALUES[swap.base[3]])
        assert swap.moved == {"i"}
