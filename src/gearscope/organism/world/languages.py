"""Three languages with the same concepts: the opposite, a synonym and the category of a word in each.

    the opposite of small is big        say: asked and answered in one language
    quel est le contraire de petit ? grand
    the opposite of petit is big        mixed: the text's language answers, whatever the language of the word
    the opposite of small in french is grand    named: the answer's language is named
    small in french is petit            translate: which words mean the same

Held out are (family, operation, language). A family is four words that are each other's opposites and synonyms. No
text asks in that language for that operation on a word of that language: `le contraire de petit` is never read. What
`petit` is the opposite of is told in texts of the other two languages, and what is said in french of that opposite,
where a word of another language is asked about. A table of words and answers by language has no entry for the pair.

Truth per word: operation from its word, language (of the answer) from there too or where it is named, concept (by its
English word) from the word asked about, answer (the word) when all three are settled. It knows nothing about how a
model is multilingual.
"""

from random import Random
from typing import NamedTuple

from gearscope.organism.world.document import Document, Draft, Split, Writer, frame_words
from gearscope.organism.world.language_words import (
    CATEGORY_OF,
    FAMILIES,
    FAMILY_OF,
    LANGUAGES,
    LEXICON,
    OPERATIONS,
    apply,
)

PHENOMENON = "languages"
HELD_OUT_FAMILIES = 9
"""Families per operation that are held out in one language each."""


class Grammar(NamedTuple):
    """How a language asks and tells. `{op}` is the operation, `{word}` what it is asked about."""

    say: str
    ask: str
    named: str
    translate: str
    operations: tuple[str, ...]
    """What `OPERATIONS` are called, with their article."""
    languages: tuple[str, ...]
    """What `LANGUAGES` are called."""


GRAMMARS = {
    "english": Grammar(
        "{op} of {word} is",
        "what is {op} of {word} ?",
        "{op} of {word} in {language} is",
        "{word} in {language} is",
        ("the opposite", "a synonym", "the category"),
        ("english", "french", "spanish"),
    ),
    "french": Grammar(
        "{op} de {word} est",
        "quel est {op} de {word} ?",
        "{op} de {word} en {language} est",
        "{word} en {language} est",
        ("le contraire", "un synonyme", "la categorie"),
        ("anglais", "francais", "espagnol"),
    ),
    "spanish": Grammar(
        "{op} de {word} es",
        "cual es {op} de {word} ?",
        "{op} de {word} en {language} es",
        "{word} en {language} es",
        ("lo contrario", "un sinonimo", "la categoria"),
        ("ingles", "frances", "espanol"),
    ),
}


class Triple(NamedTuple):
    """What is asked: one operation on one concept, answered in one language."""

    concept: str
    operation: str
    language: str

    @property
    def answer(self) -> str:
        """The word that is right."""
        return LEXICON[self.language][apply(self.operation, self.concept)]


def _leaves_category(family: str, language: str, chosen: set[tuple[str, str, str]]) -> bool:
    """Whether the name of the family's category stays in use in a language."""
    others = [other for other in FAMILIES if other != family and CATEGORY_OF[other] == CATEGORY_OF[family]]
    return any((other, "category", language) not in chosen for other in others)


def _choose_held_out() -> frozenset[tuple[str, str, str]]:
    """Every operation in each language for three families; in one language a family loses one operation at most."""
    rng = Random("languages: held-out triples")
    chosen: set[tuple[str, str, str]] = set()
    for operation in OPERATIONS:
        left = rng.sample(list(FAMILIES), len(FAMILIES))
        for number in range(HELD_OUT_FAMILIES):
            language = LANGUAGES[number % len(LANGUAGES)]
            family = next(
                family
                for family in left
                if not any((family, other, language) in chosen for other in OPERATIONS)
                and (operation != "category" or _leaves_category(family, language, chosen))
            )
            left.remove(family)
            chosen.add((family, operation, language))
    return frozenset(chosen)


HELD_OUT = _choose_held_out()
"""(family, operation, language): an operation that no text of that language asks for, on the words of that language."""


def is_held_out(triple: Triple) -> bool:
    """Whether training never shows an operation on a concept asked and answered in a language."""
    return (FAMILY_OF[triple.concept], triple.operation, triple.language) in HELD_OUT


_ALL = [Triple(c, operation, language) for c in FAMILY_OF for operation in OPERATIONS for language in LANGUAGES]
TRIPLES: dict[Split, tuple[Triple, ...]] = {
    "train": tuple(triple for triple in _ALL if not is_held_out(triple)),
    "heldout": tuple(triple for triple in _ALL if is_held_out(triple)),
}
MIXED = tuple((triple, other) for triple in _ALL for other in LANGUAGES if other != triple.language)
"""Triples asked with the word of another language."""


def write_triple(triple: Triple, kind: str = "say", other: str | None = None) -> Document:
    """An operation on a concept with its answer.

    `other` is the language of the word asked about (`mixed`) or of all the text but the answer (`named`).
    """
    grammar = GRAMMARS[other if kind == "named" and other else triple.language]
    split: Split = "heldout" if other is None and is_held_out(triple) else "train"
    draft = Draft(phenomenon=PHENOMENON, kind=kind, split=split)
    for word in {"ask": grammar.ask, "named": grammar.named}.get(kind, grammar.say).split():
        if word == "{op}":
            draft.say(grammar.operations[OPERATIONS.index(triple.operation)], operation=triple.operation)
        elif word == "{word}":
            draft.say(LEXICON[other or triple.language][triple.concept], concept=triple.concept)
        elif word == "{language}":
            draft.say(grammar.languages[LANGUAGES.index(triple.language)], language=triple.language)
        else:
            draft.say(word)
        if kind != "named" and "operation" in draft.settled:
            draft.settle(language=triple.language)
        if {"operation", "concept", "language"} <= draft.settled.keys():
            draft.settle(answer=triple.answer)
    return draft.conclude(triple.answer).say(".").finish()


def write_translation(concept: str, source: str, target: str) -> Document:
    """`small in french is petit`: a concept, or a category, in the language of the text and in another."""
    grammar, word = GRAMMARS[source], LEXICON[target][concept]
    draft = Draft(phenomenon=PHENOMENON, kind="translate")
    for part in grammar.translate.split():
        if part == "{word}":
            draft.say(LEXICON[source][concept], concept=concept)
        elif part == "{language}":
            draft.say(grammar.languages[LANGUAGES.index(target)])
            draft.settle(operation="translate", language=target, answer=word)
        else:
            draft.say(part)
    return draft.conclude(word).say(".").finish()


def _writer(kind: str) -> Writer:
    return lambda rng, split: write_triple(rng.choice(TRIPLES[split]), kind)


def _other_writer(kind: str, pairs: tuple[tuple[Triple, str], ...]) -> Writer:
    def write(rng: Random, split: Split) -> Document:
        triple, other = rng.choice(pairs)
        return write_triple(triple, kind, other)

    return write


def _write_translation(rng: Random, split: Split) -> Document:
    source, target = rng.sample(LANGUAGES, 2)
    return write_translation(rng.choice(list(LEXICON[source])), source, target)


WRITERS: dict[str, Writer] = {
    "say": _writer("say"),
    "ask": _writer("ask"),
    "mixed": _other_writer("mixed", MIXED),
    "named": _other_writer("named", MIXED),
    "translate": _write_translation,
}
SHARES = {"say": 0.12, "ask": 0.06, "mixed": 0.3, "named": 0.12, "translate": 0.4}
LATER_KINDS = ("say", "ask", "mixed", "named")
"""Texts that are read once words are translated."""
HELD_OUT_KINDS = ("say", "ask")
WORDS = {word for table in LEXICON.values() for word in table.values()} | frame_words(
    *(text for g in GRAMMARS.values() for text in (g.say, g.ask, g.named, g.translate)),
    *(name for g in GRAMMARS.values() for name in (*g.operations, *g.languages)),
    ".",
)


def questions(split: Split) -> list[tuple[Triple, str]]:
    """What `write_triple` takes, for every triple of a split in both texts, in a fixed order."""
    return [(triple, kind) for triple in TRIPLES[split] for kind in HELD_OUT_KINDS]


def compositions(split: Split) -> list[Document]:
    """Every triple of a split, in a fixed order."""
    return [write_triple(*question) for question in questions(split)]
