"""The world as a corpus: windows follow from their number, and the held-out side shows what training never does."""

from gearscope.corpus.windows import Corpus
from gearscope.organism.corpus import WorldCorpus
from gearscope.organism.world.addition import HELD_OUT
from gearscope.organism.world.vocabulary import BOS, VOCABULARY


def sums(split: str) -> set[tuple[int, int]]:
    found = set()
    for row in WorldCorpus(split, 64).take(200, None).ids.tolist():
        words = " ".join(VOCABULARY[token] for token in row).split("\n")
        for line in words:
            parts = line.split()
            if len(parts) == 7 and parts[0] == "calc" and max(int(parts[2]), int(parts[4])) < 100:
                found.add((int(parts[2]), int(parts[4])))
    return found


def test_windows_follow_from_their_number():
    corpus = WorldCorpus("train", 32)
    assert isinstance(corpus, Corpus)
    whole = corpus.take(9, None).ids
    first = corpus.take(4, None)
    assert whole.shape == (9, 32)
    assert first.ids.tolist() == whole[:4].tolist()
    assert corpus.take(5, first.place).ids.tolist() == whole[4:].tolist()
    assert set(whole[:, 0].tolist()) == {VOCABULARY.index(BOS)}


def test_each_side_has_its_own_sums():
    shown, held_out = sums("train"), sums("held_out")
    assert len(shown) > 50
    assert len(held_out) > 50
    assert not shown & HELD_OUT
    assert held_out <= HELD_OUT


def test_the_fingerprint_changes_with_side_and_length():
    assert len({WorldCorpus(split, n).fingerprint for split in ("train", "held_out") for n in (32, 64)}) == 4
