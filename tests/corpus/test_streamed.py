"""Texts of a data set on the hub, with a stand-in for the package that reads it."""

import sys

import pytest

from gearscope.corpus.streamed import HubTexts
from gearscope.corpus.windows import Texts
from gearscope.errors import ArtifactError, ConfigError


class StandIn:
    """What of `datasets` is used."""

    def __init__(self, rows, error=None):
        self.rows, self.error, self.asked = rows, error, []

    def load_dataset(self, name, config, *, split, revision, streaming):
        if self.error is not None:
            raise self.error
        self.asked.append((name, config, split, revision, streaming))
        return self

    def skip(self, n):
        return iter(self.rows[n:])


def rows(n):
    return [{"text": f"text {i}"} for i in range(n)]


def test_texts_are_read_from_any_place_on():
    package = StandIn(rows(5))
    texts = HubTexts.parse("hub:some/one:small@v1.0", package)
    assert isinstance(texts, Texts)
    whole = list(texts.pieces(None))
    assert [text for text, _ in whole] == [f"text {i}" for i in range(5)]
    assert list(texts.pieces(whole[2][1])) == whole[3:]
    assert package.asked[0] == ("some/one", "small", "train", "v1.0", True)


def test_a_name_decides_the_fingerprint():
    names = ("hub:a/b", "hub:a/b:c", "hub:a/b@c", "hub:a/d")
    assert len({HubTexts.parse(name).fingerprint for name in names}) == 4
    for wrong in ("hub:a", "hub:a/b/c", "hub:../b:", "a/b"):
        with pytest.raises(ConfigError, match="OWNER/NAME"):
            HubTexts.parse(wrong)


def test_what_cannot_be_read_is_one_sentence(monkeypatch):
    with pytest.raises(ArtifactError, match="a `text` in every row; found none in row 1"):
        list(HubTexts.parse("hub:a/b", StandIn([{"text": "x"}, {"body": "y"}])).pieces(None))
    with pytest.raises(ArtifactError, match=r"a data set a/b was expected .*no such data set"):
        list(HubTexts.parse("hub:a/b", StandIn([], ValueError("no such\ndata set"))).pieces(None))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ArtifactError, match=r"pip install gearscope\[data\]"):
        list(HubTexts.parse("hub:a/b").pieces(None))
