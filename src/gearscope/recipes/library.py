"""A feature library from names: the model, its dictionaries and the text are opened, the library is built and asked.

build_named(Path("lib"), model=None, dictionary="plt", corpus=None)      the bundled organism's transcoders
build_named(Path("lib"), model="openai-community/gpt2", dictionary="neurons", corpus="texts")
contrasted(library, "text one", "text two")                              a score per feature
"""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from gearscope.corpus.streamed import PREFIX as HUB
from gearscope.corpus.windows import Split, windows_for
from gearscope.errors import ConfigError, DictionaryError
from gearscope.features.build import Names, Report, build_library
from gearscope.features.cluster import Run, here
from gearscope.features.coders import dictionary_coders, neuron_coders
from gearscope.features.config import LibraryConfig
from gearscope.features.contrast import Rates, contrast, rates
from gearscope.features.plan import WorkConfig
from gearscope.features.prompt import Fires, fires
from gearscope.features.reading import Subject
from gearscope.features.store import Library
from gearscope.models.model import Model
from gearscope.models.tokens import Tokens
from gearscope.opening import ORGANISM, DictionaryBasis, check_own, open_basis
from gearscope.recipes.config import WORLD
from gearscope.recipes.corpora import open_corpus
from gearscope.recipes.train import PLAIN, Opening, open_known

NEURONS = "neurons"
_CONTRAST_TOKENS = 65_536


def build_named(
    out: Path,
    *,
    model: str | None,
    dictionary: str,
    corpus: str | None,
    config: LibraryConfig | None = None,
    work: WorkConfig | None = None,
    split: Split = "train",
    opening: Opening = PLAIN,
    run: Run = here,
    progress: Report | None = None,
    resume: bool = False,
) -> None:
    """Build the folder `out`. Raises what opening and building raise."""
    if corpus is None and model is not None:
        hint = "add --corpus with a text file or a folder of them"
        raise ConfigError(f"a corpus for {model} was expected", found="none", hint=hint)
    subject, inputs = open_subject(model, dictionary, opening)
    config, name = config or LibraryConfig(), corpus or WORLD
    text = open_corpus(name, subject.model, split, config.context)
    names = Names(ORGANISM if model is None else model, dictionary, name)
    build_library(
        subject,
        text,
        out,
        config,
        names=names,
        inputs=inputs | {"corpus": text.fingerprint},
        work=work,
        reopen=None if run is here else partial(_reopened, model, dictionary, opening),
        run=run,
        progress=progress,
        resume=resume,
    )


def open_subject(model: str | None, dictionary: str, opening: Opening) -> tuple[Subject, dict[str, str]]:
    """A model with its dictionaries or neurons, and their fingerprints.

    Raises ModelError, ConfigError, ArtifactError, and DictionaryError for dictionaries that do not fit the model.
    """
    check_own(dictionary, ORGANISM if model is None else model)
    opened = open_known(model, opening)
    inputs = {"model": opened.fingerprint}
    if opened.revision is not None:
        inputs["revision"] = opened.revision
    if dictionary == NEURONS:
        return Subject(opened, neuron_coders(opened)), inputs | {"dictionaries": NEURONS}
    basis = open_basis(dictionary)
    if not isinstance(basis, DictionaryBasis):
        raise ConfigError("a folder of dictionaries was expected (or plt, clt, neurons)", found=repr(dictionary))
    found = basis.dictionaries
    beyond = [s for c in found.configs for s in (*c.read_sites, *c.write_sites) if (s.layer or 0) >= opened.n_layers]
    if beyond or found.d_model != opened.d_model:
        raise DictionaryError(
            f"dictionaries for a model of {opened.n_layers} layers and width {opened.d_model} were expected",
            found=f"one at {beyond[0]}" if beyond else f"width {found.d_model}",
        )
    inputs["dictionaries"] = found.fingerprint()
    return Subject(opened, dictionary_coders(found.with_gains(_gains(opened)))), inputs


def _gains(model: Model) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    blocks = model.record(torch.tensor([0, 0])).blocks
    return [(block.mlp_norm.weight, block.mlp_norm.bias) for block in blocks]


@lru_cache(maxsize=1)
def _reopened(model: str | None, dictionary: str, opening: Opening) -> Subject:
    """The same on another machine, opened once."""
    return open_subject(model, dictionary, opening)[0]


def subject_of(library: Library, opening: Opening = PLAIN) -> Subject:
    """The model and dictionaries that a library was built from, by their names. Raises ConfigError for other ones."""
    contents = library.contents
    if contents.imported is not None:
        hint = "searching and labelling by hand need none"
        raise ConfigError(
            f"a library that was built here was expected in {library.folder}, to open its model",
            found="an imported one",
            hint=hint,
        )
    model = None if contents.model == ORGANISM else contents.model
    subject, inputs = open_subject(model, contents.dictionaries, opening)
    other = [what for what in ("model", "dictionaries") if inputs[what] != library.inputs.get(what)]
    if other:
        hint = "build the library again, or bring back what it was built from"
        raise ConfigError(f"the {other[0]} of {library.folder} was expected", found="another of that name", hint=hint)
    return subject


def fires_on(subject: Subject, prompt: str) -> tuple[Tokens, list[Fires]]:
    """What fires on a prompt, token by token. Raises PromptError."""
    tokens = subject.model.tokens(prompt)
    return tokens, fires(subject, tokens.ids)


def contrasted(library: Library, a: str, b: str, opening: Opening = PLAIN) -> Float[np.ndarray, " F"]:
    """How much more often each feature fires in `a` than in `b`: texts, or paths of text files, or `organism`."""
    subject = subject_of(library, opening)
    return contrast(_rates(subject, a), _rates(subject, b))


def _rates(subject: Subject, text: str) -> Rates:
    if text != WORLD and not _is_path(text):
        return rates(subject, subject.model.tokens(text).ids.cpu().numpy()[None])
    corpus = open_corpus(text, subject.model, "train", None)
    taken = corpus.take(windows_for(corpus, _CONTRAST_TOKENS), None)
    once = len(taken.ids) if taken.whole is None else max(1, taken.whole // corpus.context)
    return rates(subject, taken.ids[:once].numpy())


def _is_path(text: str) -> bool:
    try:
        return text.startswith(HUB) or Path(text).exists()
    except OSError:  # too long for a name
        return False
