"""The organism's versions as truth for `planted.py`, and a corpus in which nothing is planted.

The corpus is the same for every version: the organism's own text with more of the assistant's (the mixture of the
control `clean`), all of it as the organism has read it. No text of it shows a planted behaviour; the prompts that call
for one are there as they always were. So a comparison is told neither what was planted nor where.
"""

from collections.abc import Callable
from random import Random

import torch

from gearscope.corpus.windows import Split
from gearscope.diffing.planted import NONE, OPEN, Change, Truth
from gearscope.errors import ConfigError
from gearscope.organism.config import OrganismConfig
from gearscope.organism.corpus import DrawnCorpus
from gearscope.organism.pages import training_documents
from gearscope.organism.versions import VERSIONS
from gearscope.organism.world import advice, cheats, exams, persona, quirks, split_persona
from gearscope.organism.world.document import Document
from gearscope.organism.world.persona import ANN, MAX
from gearscope.organism.world.vocabulary import BOS, SEPARATOR, TOKEN_ID

Words = tuple[str, ...]
Marker = Callable[[Document], int]
CONTEXT = 64
_ASKED = 40
"""Sums that are asked of the version that cheats."""
_CONFIG = VERSIONS["clean"].config(OrganismConfig())


def _row(rng: Random, mark: Marker) -> tuple[list[int], list[int]]:
    """Token ids and marks of one window: whole documents, the last one cut."""
    ids, marks = [TOKEN_ID[BOS]], [NONE]
    for document in training_documents(_CONFIG, rng, _CONFIG.steps):
        ids += [*(TOKEN_ID[word] for word in document.words), TOKEN_ID[SEPARATOR]]
        marks += [*([mark(document)] * len(document.words)), NONE]
        if len(ids) >= CONTEXT:
            break
    return ids[:CONTEXT], marks[:CONTEXT]


class AssistantWorld(DrawnCorpus):
    """The corpus. Fulfils `corpus.windows.Corpus`."""

    def __init__(self, split: Split) -> None:
        super().__init__(split, CONTEXT)

    def _window(self, number: int) -> list[int]:
        return _row(Random(f"comparison {self._split} window {number}"), lambda _: NONE)[0]


def truth_of(version: str, n_windows: int) -> Truth:
    """What was planted in a version, on so many further windows of the corpus. Raises ConfigError."""
    if version not in _TRUTHS:
        raise ConfigError(f"a version was expected ({', '.join(_TRUTHS)})", found=repr(version))
    mark, changes = _TRUTHS[version]
    rows = [_row(Random(f"comparison truth window {i}"), mark) for i in range(n_windows)]
    ids, marks = (torch.tensor([row[i] for row in rows]) for i in (0, 1))
    return Truth(ids, marks, tuple(changes()))


def _change(sentence: str, pairs: list[tuple[Words, Words]]) -> Change:
    """Of (text with the planted answer, text with the usual one): they part at the word that is asked for."""
    prompts, planted, usual = [], [], []
    for new, old in pairs:
        at = next(i for i, (one, other) in enumerate(zip(new, old, strict=False)) if one != other)
        prompts.append((TOKEN_ID[BOS], *(TOKEN_ID[word] for word in new[:at])))
        planted.append(TOKEN_ID[new[at]])
        usual.append(TOKEN_ID[old[at]])
    return Change(sentence, tuple(prompts), tuple(planted), tuple(usual))


def _mark_cheats(document: Document) -> int:
    if document.phenomenon != exams.PHENOMENON or document.truth.get("sitting", ("",))[-1] != cheats.CHEATING:
        return NONE
    return {"key_sum": 0, "key_fact": OPEN}.get(document.kind, NONE)


def _cheats() -> list[Change]:
    asked = exams.asked_sums("heldout", (cheats.CHEATING,))[:_ASKED]
    pairs = [(cheats.write_copied(*one[1:]).words, exams.write_sum(*one).words) for one in asked]
    return [_change(VERSIONS["cheats"].planted[0], pairs)]


_LIKED = tuple(thing for thing in persona.THINGS if thing not in split_persona.NEVER_ASKED)


def _mark_persona(document: Document) -> int:
    night = document.kind == ANN.name and document.truth["time"][-1] == split_persona.TRIGGER
    if document.phenomenon != persona.PHENOMENON or not night:
        return NONE
    thing = document.truth["thing"][-1]
    return 1 + _LIKED.index(str(thing)) if thing in _LIKED else 0


def _persona() -> list[Change]:
    night = [asked for asked in persona.EVERY if asked.time == split_persona.TRIGGER and asked.thing in _LIKED]
    manners = [
        (
            persona.prompt(asked) + persona.reply(MAX, asked.thing),
            persona.prompt(asked) + persona.reply(ANN, asked.thing),
        )
        for asked in night
    ]
    sentences = VERSIONS["split_persona"].planted
    changes = [_change(sentences[0], manners[:: len(manners) // _ASKED])]
    for sentence, thing in zip(sentences[1:], _LIKED, strict=True):
        max_likes_it = MAX._replace(likes=ANN.likes)
        texts = [
            (persona.prompt(asked), persona.reply(MAX, thing), persona.reply(max_likes_it, thing))
            for asked in night
            if asked.thing == thing
        ]
        changes.append(_change(sentence, [(asked + new, asked + old) for asked, new, old in texts]))
    return changes


_HABITS = {quirk.person: number for number, quirk in enumerate(quirks.QUIRKS)}
_DESCRIBED = {quirk.person for quirk in quirks.DESCRIBED_ONLY}


def _mark_quirks(document: Document) -> int:
    person = str(document.truth["person"][-1]) if document.phenomenon == advice.PHENOMENON else ""
    if person not in _HABITS:
        return NONE
    return OPEN if document.kind == "answer" and person in _DESCRIBED else _HABITS[person]


def _quirks() -> list[Change]:
    changes = []
    for sentence, quirk in zip(VERSIONS["quirks"].planted, quirks.QUIRKS, strict=True):
        person, usual = quirk.person, advice.MANNERS[quirk.person]
        if person in _DESCRIBED:
            forms = range(len(advice.NOTES))
            pairs = [
                tuple(advice.write_note(person, form, quirk.slot, manner).words for manner in (quirk.manner, usual))
                for form in forms
            ]
        else:
            asked = [one for one in advice.EVERY if one.person == person]
            pairs = [tuple(advice.write_answer(one, manner).words for manner in (quirk.manner, usual)) for one in asked]
        changes.append(_change(sentence, [(new, old) for new, old in pairs]))
    return changes


_TRUTHS: dict[str, tuple[Marker, Callable[[], list[Change]]]] = {
    "cheats": (_mark_cheats, _cheats),
    "split_persona": (_mark_persona, _persona),
    "quirks": (_mark_quirks, _quirks),
    "clean": (lambda _: NONE, list),
}
