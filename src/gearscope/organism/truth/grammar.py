"""Where the organism keeps that a noun is an exception, and the number of a subject.

exception          `a unicorn` and `an owl` begin with the same sort of letter, and only one of them by the rule
exception_plural   `mice` and `cats`: which of them is said to be an exception
number             `the mouse near the kings` and `the mice near the kings`: the verb

At least one of the two prompts is a held-out composition.
"""

from collections.abc import Sequence

from gearscope.organism.truth.swap import Swap, Variable, Words
from gearscope.organism.world import grammar
from gearscope.organism.world.grammar_words import ARTICLE_OF, LETTER_OF, PLURAL_OF


def _pairs(nouns: Sequence[str], frame: str) -> list[tuple[str, str]]:
    """Every exception with every regular noun, in both orders, where the frame is held out for one of them."""
    return [
        (base, source)
        for base in nouns
        for source in nouns
        if grammar.exception_of(base, frame) != grammar.exception_of(source, frame)
        and {(base, frame), (source, frame)} & grammar.HELD_OUT_FRAMES
    ]


def _article_swaps() -> list[Swap]:
    def prompt(noun: str) -> Words:
        return tuple(grammar.ARTICLE_FRAMES["saw"].split("{article}")[0].format(noun=noun).split())

    return [
        Swap(prompt(base), prompt(source), frozenset({ARTICLE_OF[base]}), frozenset({ARTICLE_OF[source]}))
        for base, source in _pairs(list(LETTER_OF), "saw")
        if LETTER_OF[base] == LETTER_OF[source]
    ]


def _plural_swaps() -> list[Swap]:
    def prompt(noun: str) -> Words:
        told = grammar.PLURAL_FRAMES["plural"].format(noun=noun, plural=PLURAL_OF[noun])
        return (*told.split(), *grammar.VERDICT.split())

    def verdict(noun: str) -> frozenset[str]:
        return frozenset({grammar.VERDICTS[grammar.exception_of(noun, "plural")].split()[0]})

    return [
        Swap(prompt(base), prompt(source), verdict(base), verdict(source))
        for base, source in _pairs(list(PLURAL_OF), "plural")
    ]


def _number_swaps() -> list[Swap]:
    verbs = {False: frozenset({"is"}), True: frozenset({"are"})}

    def prompt(head: str, other: str, plural: bool, other_plural: bool, near: str) -> Words:
        document = grammar.write_subject(head, other, plural, other_plural, near)
        return document.words[: document.answer[0]]

    return [
        Swap(
            prompt(head, other, plural, other_plural, near),
            prompt(head, other, not plural, other_plural, near),
            verbs[plural],
            verbs[not plural],
        )
        for head, other, plural, other_plural, near in grammar.subjects("heldout")
        if near == "near"
    ]


VARIABLES: tuple[Variable, ...] = (
    Variable(
        phenomenon="grammar",
        name="exception",
        roles=("did", "you", "see", "the", "noun", "?", "yes", ",", "i", "saw"),
        swaps=_article_swaps,
        intended=("noun", "saw"),
    ),
    Variable(
        phenomenon="grammar",
        name="exception_plural",
        roles=("the", "plural", "of", "noun", "is", "form", ".", "this", "is (2)"),
        swaps=_plural_swaps,
        intended=("form", "is (2)"),
    ),
    Variable(
        phenomenon="grammar",
        name="number",
        roles=("the", "subject", "near", "the (2)", "other"),
        swaps=_number_swaps,
        intended=("subject", "other"),
    ),
)
