"""A folder of dictionaries measured again, on held-out text of any corpus."""

from gearscope.errors import ConfigError
from gearscope.evaluation.measure import measure_dictionaries
from gearscope.evaluation.report import DictionaryReport
from gearscope.recipes.config import WORLD
from gearscope.recipes.corpora import open_corpus
from gearscope.recipes.train import PLAIN, Opening, open_known
from gearscope.workbench import ORGANISM, DictionaryBasis, check_own, open_basis


def measure_again(
    folder: str, model: str | None, corpus: str | None, *, tokens: int, opening: Opening = PLAIN
) -> DictionaryReport:
    """The report of `plt`, `clt` or a folder. Raises what opening and measuring raise."""
    if corpus is None and model is not None:
        hint = "add --corpus with a text file or a folder of them"
        raise ConfigError(f"a corpus for {model} was expected", found="none", hint=hint)
    check_own(folder, ORGANISM if model is None else model)
    basis = open_basis(folder)
    if not isinstance(basis, DictionaryBasis):
        raise ConfigError("a folder of dictionaries was expected (or plt, clt)", found=repr(folder))
    opened = open_known(model, opening)
    held_out = open_corpus(corpus or WORLD, opened, "held_out", None)
    return measure_dictionaries(opened, basis.dictionaries, held_out, tokens=tokens)[0]
