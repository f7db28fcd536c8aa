"""The strongest inputs and outputs of one feature over text, from names: the model, its dictionaries and the text.

weigh_named("1/76", model=None, basis="clt")                                    over the bundled world
weigh_named("3/17", model="openai-community/gpt2", basis="hub:x/y", corpus="texts")
"""

from collections.abc import Callable, Iterable, Sequence

import torch

from gearscope.attribution.global_weights import Labelled, weigh
from gearscope.attribution.weights import WeightReport
from gearscope.corpus.windows import windows_for
from gearscope.errors import ConfigError
from gearscope.ids import FeatureId
from gearscope.models.frozen import FrozenPrompt
from gearscope.opening import ORGANISM, DictionaryBasis, check_own, open_basis
from gearscope.recipes.config import WORLD
from gearscope.recipes.corpora import open_corpus
from gearscope.recipes.train import PLAIN, Opening, open_known
from gearscope.replacement.replacement import Active
from gearscope.workbench import Workbench


def weigh_named(
    feature: str,
    *,
    model: str | None,
    basis: str,
    corpus: str | None = None,
    prompts: Sequence[str] = (),
    tokens: int = 20_000,
    most: int = 15,
    opening: Opening = PLAIN,
    progress: Callable[[str, int], None] | None = None,
) -> WeightReport:
    """Read so many tokens of a corpus (or these prompts instead). Raises what opening raises, and TargetError."""
    wanted = FeatureId.parse(feature)
    name = ORGANISM if model is None else model
    check_own(basis, name)
    if corpus is None and not prompts and model is not None:
        hint = "add --corpus with a text file or a folder of them, or --prompts"
        raise ConfigError(f"text for {name} was expected", found="none", hint=hint)
    found = open_basis(basis)
    if not isinstance(found, DictionaryBasis) or found.dictionaries.kind == "sae":
        expected = "transcoders were expected (plt, clt or a folder): what they read is the same on every prompt"
        raise ConfigError(expected, found=basis)
    opened = open_known(model, opening)
    bench = Workbench(opened, name=name, basis=found)
    gains = [(block.mlp_norm.weight, block.mlp_norm.bias) for block in opened.record(torch.tensor([0, 0])).blocks]
    with torch.inference_mode():
        return weigh(
            wanted,
            _opened(bench, prompts, corpus or WORLD, tokens),
            list(found.dictionaries.with_gains(gains).dictionaries),
            Labelled(name, bench.basis),
            most=most,
            progress=progress,
        )


def _opened(
    bench: Workbench, prompts: Sequence[str], corpus: str, tokens: int
) -> Iterable[tuple[FrozenPrompt, Active]]:
    """Each window or prompt, recorded, with its active features."""
    model = bench.model
    if prompts:
        rows = (model.tokens(prompt).ids for prompt in prompts)
    else:
        text = open_corpus(corpus, model, "train", None)
        rows = iter(text.take(windows_for(text, tokens), None).ids)
    for ids in rows:
        record = model.record(ids)
        yield record, bench.replace(record).active
