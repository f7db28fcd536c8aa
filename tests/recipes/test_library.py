"""A library from names: text files, dictionaries that leave out a gain, mistakes."""

import pytest

from gearscope.dictionaries.store import write_dictionaries
from gearscope.errors import ConfigError, DictionaryError
from gearscope.features.config import LibraryConfig
from gearscope.features.store import Library
from gearscope.recipes.library import build_named, contrasted, open_subject, subject_of
from gearscope.recipes.train import PLAIN
from tests.oracles.planted_dictionaries import plant_at

SMALL = LibraryConfig(tokens=600, top=3, neighbours=3, context=16)
SITES = [((f"blocks.{i}.mlp_in",), (f"blocks.{i}.mlp_out",)) for i in (0, 1)]


def test_text_files_and_a_gain_that_is_folded_in(untrained, texts, tmp_path):
    write_dictionaries(tmp_path / "d", plant_at(SITES, 32, read_form="before_gain"))
    out = tmp_path / "lib"
    build_named(out, model=str(untrained), dictionary=str(tmp_path / "d"), corpus=str(texts), config=SMALL)
    with Library.open(out) as library:
        assert library.contents.corpus == str(texts)
        assert library.text.windows_with("calc", 5)
        assert subject_of(library).n_features == library.n_features == 24
        z = contrasted(library, "calc : 1 + 2 =", str(texts))
        assert z.shape == (24,)
        write_dictionaries(tmp_path / "other", plant_at(SITES, 32, seed=1))
    (tmp_path / "d").rename(tmp_path / "old")
    (tmp_path / "other").rename(tmp_path / "d")
    with Library.open(out) as library, pytest.raises(ConfigError, match=r"the dictionaries of .* was expected"):
        subject_of(library)


def test_too_little_text_is_read_once(untrained, tmp_path):
    (tmp_path / "short.txt").write_text("calc : 1 + 2 = 3\n" * 60)
    out, config = tmp_path / "lib", SMALL.model_copy(update={"tokens": 100_000})
    build_named(out, model=str(untrained), dictionary="neurons", corpus=str(tmp_path / "short.txt"), config=config)
    with Library.open(out) as library:
        assert 200 < library.n_tokens < 60 * 8


@pytest.mark.parametrize(
    ("places", "width", "found"),
    [
        ([(("blocks.7.mlp_in",), ("blocks.7.mlp_out",))], 32, "one at blocks.7.mlp_in"),
        (SITES, 16, "width 16"),
        ([(("a:blocks.0.resid_post", "b:blocks.0.resid_post"),) * 2], 32, "a:blocks.0.resid_post"),
        ([(("blocks.0.mlp_out",),) * 2, (("blocks.0.resid_post",),) * 2], 32, "several for layer 0"),
    ],
)
def test_dictionaries_that_do_not_fit(untrained, tmp_path, places, width, found):
    write_dictionaries(tmp_path / "d", plant_at(places, width))
    with pytest.raises(DictionaryError, match=found):
        open_subject(str(untrained), str(tmp_path / "d"), PLAIN)
