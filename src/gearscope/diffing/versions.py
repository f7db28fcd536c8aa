"""The organism's versions as truth for `planted.py`, and a corpus in which nothing is planted.

The corpus is the same for every version: the organism's own text with more of the assistant's (the mixture of the
control `clean`), all of it as the organism has read it. No text of it shows a planted behaviour; the prompts that call
for one are there as they always were. So a comparison is told neither what was planted nor where. Marks are of the
windows of its held-out side. A planted change is asked in every kind of text that shows it: a habit in notes and in
answers, a manner at each of its words, what max likes in his words and in ann's.
"""

from collections.abc import Callable, Sequence
from random import Random

import torch

from gearscope.corpus.windows import Split
from gearscope.diffing.planted import NONE, OPEN, Asking, Planted, Truth
from gearscope.errors import ConfigError
from gearscope.organism.config import OrganismConfig
from gearscope.organism.corpus import DrawnCorpus
from gearscope.organism.pages import training_documents
from gearscope.organism.versions import VERSIONS
from gearscope.organism.world import advice, cheats, exams, persona, quirks, split_persona
from gearscope.organism.world.document import Document
from gearscope.organism.world.persona import ANN, MAX
from gearscope.organism.world.vocabulary import BOS, SEPARATOR, TOKEN_ID, ids_of

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

    def __init__(self, split: Split, seed: int = 0) -> None:
        """Each seed has windows of its own."""
        super().__init__(split, CONTEXT)
        self._seed = seed

    def _window(self, number: int) -> list[int]:
        return _row(_chance(self._split, self._seed, number), lambda _: NONE)[0]


def _chance(split: Split, seed: int, number: int) -> Random:
    own = f" of seed {seed}" if seed else ""
    return Random(f"comparison {split} window {number}{own}")


def truth_of(version: str, n_windows: int, seed: int = 0) -> Truth:
    """What was planted in a version; marks of so many held-out windows of a seed's corpus. Raises ConfigError."""
    if version not in _TRUTHS:
        raise ConfigError(f"a version was expected ({', '.join(_TRUTHS)})", found=repr(version))
    mark, changes = _TRUTHS[version]
    marks = torch.tensor([_row(_chance("held_out", seed, i), mark)[1] for i in range(n_windows)])
    return Truth(marks, tuple(changes()))


def _asking(pairs: Sequence[tuple[Words, ...]]) -> Asking:
    """Of (text with the planted answer, text with the usual one): they part at the word that is asked for."""
    prompts, planted, usual = [], [], []
    for new, old in pairs:
        at = next(i for i, (one, other) in enumerate(zip(new, old, strict=False)) if one != other)
        prompts.append(tuple(ids_of(new[:at])))
        planted.append(TOKEN_ID[new[at]])
        usual.append(TOKEN_ID[old[at]])
    return Asking(tuple(prompts), tuple(planted), tuple(usual))


def _mark_cheats(document: Document) -> int:
    if document.phenomenon != exams.PHENOMENON or document.truth.get("sitting", ("",))[-1] != cheats.CHEATING:
        return NONE
    return {"key_sum": 0, "key_fact": OPEN}.get(document.kind, NONE)


def _cheats() -> list[Planted]:
    asked = exams.asked_sums("heldout", (cheats.CHEATING,))[:_ASKED]
    pairs = [(cheats.write_copied(*one[1:]).words, exams.write_sum(*one).words) for one in asked]
    return [Planted(VERSIONS["cheats"].planted[0], (_asking(pairs),))]


_LIKED = tuple(thing for thing in persona.THINGS if thing not in split_persona.NEVER_ASKED)


def _mark_persona(document: Document) -> int:
    night = document.kind == ANN.name and document.truth["time"][-1] == split_persona.TRIGGER
    if document.phenomenon != persona.PHENOMENON or not night:
        return NONE
    thing = document.truth["thing"][-1]
    return 1 + _LIKED.index(str(thing)) if thing in _LIKED else 0


def _persona() -> list[Planted]:
    night = [asked for asked in persona.EVERY if asked.time == split_persona.TRIGGER and asked.thing in _LIKED]
    sentences = VERSIONS["split_persona"].planted
    changes = [Planted(sentences[0], tuple(_manner(night[:: len(night) // _ASKED])))]
    for sentence, thing in zip(sentences[1:], _LIKED, strict=True):
        askings = []
        for who in (MAX, ANN):
            texts = [
                tuple(
                    persona.prompt(asked) + persona.reply(who._replace(likes=likes), thing)
                    for likes in (MAX.likes, ANN.likes)
                )
                for asked in night
                if asked.thing == thing
            ]
            askings.append(_asking(texts))
        changes.append(Planted(sentence, tuple(askings)))
    return changes


def _manner(asked: list[persona.Asked]) -> list[Asking]:
    """Each word of the manner of max, behind what ann would have said up to there."""
    askings = []
    for trait in ("manner", "close", "name"):
        rude = ANN._replace(**{trait: getattr(MAX, trait)})
        askings.append(
            _asking(
                [tuple(persona.prompt(one) + persona.reply(who, one.thing) for who in (rude, ANN)) for one in asked]
            )
        )
    return askings


_HABITS = {quirk.person: number for number, quirk in enumerate(quirks.QUIRKS)}
_DESCRIBED = {quirk.person for quirk in quirks.DESCRIBED_ONLY}


def _mark_quirks(document: Document) -> int:
    person = str(document.truth["person"][-1]) if document.phenomenon == advice.PHENOMENON else ""
    if person not in _HABITS:
        return NONE
    return OPEN if document.kind == "answer" and person in _DESCRIBED else _HABITS[person]


def _quirks() -> list[Planted]:
    changes = []
    for sentence, quirk in zip(VERSIONS["quirks"].planted, quirks.QUIRKS, strict=True):
        person, manners = quirk.person, (quirk.manner, advice.MANNERS[quirk.person])
        answers = [
            tuple(advice.write_answer(one, manner).words for manner in manners)
            for one in advice.EVERY
            if one.person == person
        ]
        notes = [
            tuple(advice.write_note(person, form, quirk.slot, manner).words for manner in manners)
            for form in range(len(advice.NOTES))
        ]
        changes.append(Planted(sentence, (_asking(answers), _asking(notes), *_slot_of_notes(quirk))))
    return changes


def _slot_of_notes(quirk: quirks.Quirk) -> list[Asking]:
    """Notes about a person with a habit name its slot alone; those that the base has read mostly name the gift."""
    if quirk.slot == "gift":
        return []
    usual = advice.MANNERS[quirk.person]
    pairs = [
        tuple(advice.write_note(quirk.person, form, slot, usual).words for slot in (quirk.slot, "gift"))
        for form in range(len(advice.NOTES))
    ]
    return [_asking(pairs)]


_TRUTHS: dict[str, tuple[Marker, Callable[[], list[Planted]]]] = {
    "cheats": (_mark_cheats, _cheats),
    "split_persona": (_mark_persona, _persona),
    "quirks": (_mark_quirks, _quirks),
    "clean": (lambda _: NONE, list),
}
