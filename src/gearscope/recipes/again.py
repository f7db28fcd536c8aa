"""A folder of dictionaries measured again, on held-out text of any corpus or against the truth of the organism."""

from pathlib import Path

from gearscope.dictionaries.collection import DictionarySet
from gearscope.errors import ConfigError
from gearscope.evaluation.measure import measure_dictionaries
from gearscope.evaluation.report import DictionaryReport, TruthReport
from gearscope.evaluation.truths import recover_truths
from gearscope.models.model import Model
from gearscope.opening import ORGANISM, DictionaryBasis, check_own, model_source, open_basis
from gearscope.organism.truth.store import INTERCHANGE, read_maps
from gearscope.recipes.config import WORLD
from gearscope.recipes.corpora import check_world, open_corpus
from gearscope.recipes.train import PLAIN, Opening, open_known


def measure_again(
    folder: str, model: str | None, corpus: str | None, *, tokens: int, opening: Opening = PLAIN
) -> DictionaryReport:
    """The report of `plt`, `clt` or a folder. Raises what opening and measuring raise."""
    if corpus is None and model is not None:
        hint = "add --corpus with a text file or a folder of them"
        raise ConfigError(f"a corpus for {model} was expected", found="none", hint=hint)
    opened, dictionaries = _open(folder, model, opening)
    held_out = open_corpus(corpus or WORLD, opened, "held_out", None)
    return measure_dictionaries(opened, dictionaries, held_out, tokens=tokens)[0]


def truths_again(folder: str, model: str | None, *, documents: int, opening: Opening = PLAIN) -> TruthReport:
    """Which truth variables its features tell. Raises ModelError for a model of other words than the organism's."""
    opened, dictionaries = _open(folder, model, opening)
    check_world(opened)
    source = Path(model_source(model))
    maps = read_maps(source) if (source / INTERCHANGE).is_file() else ()
    return recover_truths(opened, dictionaries, documents=documents, maps=maps)


def _open(folder: str, model: str | None, opening: Opening) -> tuple[Model, DictionarySet]:
    check_own(folder, ORGANISM if model is None else model)
    basis = open_basis(folder)
    if not isinstance(basis, DictionaryBasis):
        raise ConfigError("a folder of dictionaries was expected (or plt, clt)", found=repr(folder))
    return open_known(model, opening), basis.dictionaries
