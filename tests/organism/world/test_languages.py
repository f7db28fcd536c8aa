"""Three languages: relations against a table read off the English texts, and triples that no text gives away."""

import re
from collections import Counter
from random import Random

import pytest

from gearscope.organism.world import languages
from gearscope.organism.world.language_words import CATEGORY_OF, FAMILIES, FAMILY_OF, LANGUAGES, LEXICON, OPERATIONS
from gearscope.organism.world.phenomena import draw

OPERATION_OF = {
    "opposite": "opposite", "contraire": "opposite", "contrario": "opposite",
    "synonym": "synonym", "synonyme": "synonym", "sinonimo": "synonym",
    "category": "category", "categorie": "category", "categoria": "category",
}  # fmt: skip
HOME = {word: (language, concept) for language, table in LEXICON.items() for concept, word in table.items()}


LANGUAGE_CALLED = {
    **dict.fromkeys(("english", "anglais", "ingles"), "english"),
    **dict.fromkeys(("french", "francais", "frances"), "french"),
    **dict.fromkeys(("spanish", "espagnol", "espanol"), "spanish"),
}


def _read(words):
    """(operation, language of the text, language of the answer, word asked about, answer), by a pattern."""
    text = " ".join(words)
    found = re.search(r"(\w+) (?:of|de) (\w+) (?:(?:in|en) (\w+) )?(?:\?|is|est|es) (\w+) \.", text)
    if found is None:
        return None
    operation, word, called, answer = found.groups()
    spoken = "english" if " of " in text else "french" if " est " in text else "spanish"
    return OPERATION_OF[operation], spoken, LANGUAGE_CALLED.get(called, spoken), word, answer


@pytest.fixture(scope="module")
def training():
    rng = Random(3)
    return [draw("languages", "train", rng) for _ in range(40000)]


def test_known_texts():
    write, triple = languages.write_triple, languages.Triple
    assert " ".join(write(triple("small", "opposite", "english")).words) == "the opposite of small is big ."
    words = " ".join(write(triple("small", "opposite", "french"), "ask").words)
    assert words == "quel est le contraire de petit ? grand ."
    assert " ".join(languages.write_translation("small", "spanish", "french").words) == "pequeno en frances es petit ."
    mixed = write(triple("small", "opposite", "english"), "mixed", "french")
    assert " ".join(mixed.words) == "the opposite of petit is big ."
    named = write(triple("small", "opposite", "english"), "named", "french")
    assert " ".join(named.words) == "le contraire de petit en anglais est big ."


def test_a_word_means_one_thing_in_one_language():
    words = [word for table in LEXICON.values() for word in table.values()]
    assert len(set(words)) == len(words)
    assert len({frozenset(table) for table in LEXICON.values()}) == 1
    assert all(re.fullmatch("[a-z]+", word) for word in languages.WORDS - {"?", "."})


def test_opposites_and_synonyms_are_mutual_and_categories_hold_for_whole_families():
    answer = {(t.concept, t.operation, t.language): t.answer for split in languages.TRIPLES.values() for t in split}
    assert len(answer) == len(FAMILY_OF) * len(OPERATIONS) * len(LANGUAGES)
    for (concept, operation, language), word in answer.items():
        spoken, other = HOME[word]
        assert spoken == language
        if operation == "category":
            assert other == CATEGORY_OF[FAMILY_OF[concept]]
        else:
            assert other != concept
            assert HOME[answer[other, operation, language]][1] == concept
            assert answer[concept, "category", language] == answer[other, "category", language]


@pytest.mark.parametrize("kind", list(languages.WRITERS))
def test_truth_is_what_the_text_says(kind):
    rng = Random(5)
    for _ in range(300):
        document = draw("languages", "train", rng, kind)
        last = {name: values[-1] for name, values in document.truth.items()}
        assert document.target == last["answer"]
        if kind == "translate":
            assert HOME[document.target] == (last["language"], last["concept"])
            assert HOME[document.words[0]][1] == last["concept"]
            continue
        operation, spoken, language, word, answer = _read(document.words)
        assert (operation, language, answer) == (last["operation"], last["language"], last["answer"])
        assert HOME[answer][0] == language
        assert (HOME[word][0] == spoken) == (kind != "mixed")
        assert (spoken == language) == (kind != "named")
        assert HOME[word][1] == last["concept"]


def test_truth_starts_where_it_is_settled():
    document = languages.write_triple(languages.Triple("small", "opposite", "english"))
    assert document.truth["operation"][:2] == (None, "opposite")
    assert document.truth["concept"][2:4] == (None, "small")
    assert document.truth["answer"][2:4] == (None, "big")


def test_no_training_text_gives_a_held_out_triple_away(training):
    for document in training:
        read = _read(document.words)
        if read is None:
            continue
        operation, spoken, answered, word, _ = read
        language, concept = HOME[word]
        if spoken == answered == language:
            assert (FAMILY_OF[concept], operation, language) not in languages.HELD_OUT


def test_every_atom_of_a_held_out_triple_is_in_training(training):
    shown, answers = set(), Counter()
    for document in training:
        read = _read(document.words)
        answers[document.target] += 1
        if read is not None and document.kind in ("say", "ask", "mixed"):
            shown.add((HOME[read[3]][1], read[0], HOME[read[3]][0]))
    translated = {(d.words[0], d.target) for d in training if d.kind == "translate"}
    for triple in languages.TRIPLES["heldout"]:
        others = [language for language in LANGUAGES if language != triple.language]
        assert all((triple.concept, triple.operation, language) in shown for language in others)
        assert any((triple.concept, other, triple.language) in shown for other in OPERATIONS)
        assert answers[triple.answer] > 0
        word = LEXICON[triple.language][triple.concept]
        assert {(LEXICON[language][triple.concept], word) for language in others} <= translated
    names = {LEXICON[language][c] for language in LANGUAGES for c in CATEGORY_OF.values()}
    assert names <= {d.target for d in training if d.kind in ("say", "ask")}


def test_each_operation_is_held_out_in_each_language():
    counts = Counter((operation, language) for _, operation, language in languages.HELD_OUT)
    assert set(counts.values()) == {3}
    assert len(counts) == 9
    assert len({(family, operation) for family, operation, _ in languages.HELD_OUT}) == len(languages.HELD_OUT)
    assert len(FAMILIES) == 21
