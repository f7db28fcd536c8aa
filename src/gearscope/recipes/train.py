"""One training run: model and corpus are opened, dictionaries trained, measured and written.

    done = train_recipe(recipe, Path("out"))                    the folder `out`; the run stays in `out.run`
    done = train_recipe(recipe, Path("out"), resume=True)       goes on after a kill
    done = train_recipe(recipe, Path("out"), start=Path("in"))  goes on from finished dictionaries
    torchrun --nproc-per-node 4 --no-python gearscope train ...     four processes share the features; one writes
    done = train_recipe(recipe, Path("out"), activations=Path("acts"))     reads what `harvest.py` has stored

What is written acts on raw activations, carries the statistics of its features, and says in its manifest under
`training` how it was made and under `measured` what it is worth on held-out text.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.activations.cache import CachedStream
from gearscope.activations.harvest import in_batches, passes
from gearscope.activations.stream import ActivationStream
from gearscope.corpus.windows import Corpus, windows_for
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.fidelity import with_statistics
from gearscope.dictionaries.store import read_dictionaries, write_dictionaries
from gearscope.dictionaries.training.config import Layout, layout_of
from gearscope.dictionaries.training.refit import refit
from gearscope.dictionaries.training.shards import started
from gearscope.dictionaries.training.start import put_back, those_trained
from gearscope.dictionaries.training.train import Report, Source, readings_of, train
from gearscope.errors import ArtifactError, ConfigError, DictionaryError
from gearscope.evaluation.measure import measure_dictionaries
from gearscope.evaluation.report import DictionaryReport
from gearscope.models.load import open_model
from gearscope.models.model import Model
from gearscope.opening import ORGANISM, model_source
from gearscope.recipes.config import WORLD, Recipe
from gearscope.recipes.corpora import open_sides
from gearscope.recipes.tune import tune
from gearscope.threads import one_thread


class Trained(NamedTuple):
    """A finished run."""

    out: Path
    report: DictionaryReport


class Opening(NamedTuple):
    """How a model is opened."""

    device: str = "cpu"
    dtype: str = "float32"
    revision: str | None = None


PLAIN = Opening()
"""On the CPU, in float32."""


def train_recipe(
    recipe: Recipe,
    out: Path,
    *,
    opening: Opening = PLAIN,
    activations: Path | None = None,
    start: Path | None = None,
    progress: Report | None = None,
    resume: bool = False,
) -> Trained:
    """Train, measure and write; on stored `activations`, or live; from finished dictionaries at `start`, or from none.

    Raises every GearscopeError that opening, reading, training and writing can raise.
    """
    if out.exists():
        raise ArtifactError(f"a new folder was expected at {out}", found="one that exists", hint="choose another --out")
    if recipe.goes_on_from is not None and start is None:
        hint = f"gearscope train {recipe.goes_on_from} --out FIRST, then this one with --start FIRST"
        raise ConfigError(f"dictionaries of {recipe.goes_on_from} to go on from were expected", found="none", hint=hint)
    name, corpus_name = recipe.model or ORGANISM, corpus_of(recipe)
    shards = started()  # before the model is opened: it says which GPU is this process's own
    model = open_known(recipe.model, opening)
    train_on, held_out = open_sides(corpus_name, model, recipe.reading.context, recipe.training.batch_tokens)
    layout = layout_of(recipe.training, model.n_layers)
    begun = None if start is None else _opened_start(start, model)
    source, kept = _source(recipe, model, (train_on, held_out), layout, activations)
    with one_thread(), torch.inference_mode():
        dictionaries = train(
            recipe.training,
            layout,
            source,
            kept,
            out.with_name(f"{out.name}.run"),
            model=name,
            progress=progress if shards.rank == 0 else None,
            resume=resume,
            shards=shards,
            start=None if begun is None else those_trained(begun, layout),
        )
        if begun is not None:
            dictionaries = put_back(dictionaries, begun)
        tell = progress if shards.rank == 0 else None
        dictionaries = _behind_training(dictionaries, recipe, model, (train_on, held_out), layout, source, tell)
        report, fidelity = measure_dictionaries(model, dictionaries, held_out, tokens=recipe.training.held_out_tokens)
    made = {
        "training": recipe.model_dump(mode="json", exclude={"about"}),
        "measured": report.model_dump(mode="json"),
    }
    inputs = {"model": model.fingerprint, "corpus": train_on.fingerprint}
    if model.revision is not None:
        inputs["revision"] = model.revision
    if begun is not None:
        inputs["start"] = begun.fingerprint()
    if shards.rank == 0:
        write_dictionaries(out, with_statistics(dictionaries, fidelity), inputs=inputs, made=made)
    return Trained(out, report)


def _behind_training(
    dictionaries: DictionarySet,
    recipe: Recipe,
    model: Model,
    corpora: tuple[Corpus, Corpus],
    layout: Layout,
    source: Source,
    progress: Report | None,
) -> DictionarySet:
    """Tuned in the model, settled, and rounded, as the recipe has it."""
    if recipe.tuning.tune_tokens:
        done = recipe.training.steps * recipe.training.batch_tokens
        dictionaries = tune(model, dictionaries, corpora, recipe.tuning, tokens_before=done, progress=progress)
    if recipe.tuning.settle_tokens:
        dictionaries = _settled(dictionaries, recipe, layout, source)
    if recipe.stored_as == "float16":
        halves = tuple(dictionary.in_half() for dictionary in dictionaries.dictionaries)
        dictionaries = replace(dictionaries, dictionaries=halves)
    return dictionaries


def _settled(dictionaries: DictionarySet, recipe: Recipe, layout: Layout, source: Source) -> DictionarySet:
    """Decoders of what was trained, refitted for the thresholds that tuning ended with."""
    tokens, pull = recipe.tuning.settle_tokens, recipe.tuning.settle_pull
    trained = those_trained(dictionaries, layout)
    return put_back(refit(trained, readings_of(tokens, recipe.training, layout, source), pull), dictionaries)


def _opened_start(folder: Path, model: Model) -> DictionarySet:
    """Finished dictionaries to go on from, of the model's width. Raises DictionaryError and what reading raises."""
    start = read_dictionaries(folder)
    if start.d_model != model.d_model:
        raise DictionaryError(
            f"dictionaries for width {model.d_model} were expected at {folder}", found=f"width {start.d_model}"
        )
    return start


def _source(
    recipe: Recipe, model: Model, corpora: tuple[Corpus, Corpus], layout: Layout, activations: Path | None
) -> tuple[Source, Iterator[Float[Tensor, "P M D"]]]:
    """Where activations come from, and the held-out ones. Raises ConfigError for those of another model or corpus."""
    train_on, held_out = corpora
    if activations is None:
        stream = ActivationStream(model, train_on, layout.sites, recipe.reading, tangents=layout.tangents)
        return stream, held_out_activations(model, held_out, layout, recipe)
    seed, device = recipe.reading.shuffle_seed, model.device
    stored = CachedStream(activations, layout.sites, tangents=layout.tangents, shuffle_seed=seed, device=device)
    wanted = {"model": model.fingerprint, "corpus": train_on.fingerprint}
    others = [name for name, value in wanted.items() if stored.inputs.get(name) != value]
    if others:
        hint = "give the --model, --corpus and context that they were harvested with"
        raise ConfigError(
            f"activations of this {' and '.join(others)} were expected at {activations}", found="others", hint=hint
        )
    return stored, stored.held_out(recipe.training.batch_tokens)


def corpus_of(recipe: Recipe) -> str:
    """The corpus by name: the organism's world where the organism is trained on and no other is given."""
    if recipe.corpus is None and recipe.model is not None:
        hint = "add --corpus with a text file or a folder of them"
        raise ConfigError(f"a corpus for {recipe.model} was expected", found="none", hint=hint)
    return recipe.corpus or WORLD


def open_known(model: str | None, opening: Opening) -> Model:
    """A model by name or folder, None for the bundled organism."""
    return open_model(model_source(model), device=opening.device, dtype=opening.dtype, revision=opening.revision)


def held_out_activations(
    model: Model, corpus: Corpus, layout: Layout, recipe: Recipe
) -> Generator[Float[Tensor, "P M D"]]:
    """Held-out activations in parts of one batch, so that each part is a fair sample."""
    ids = corpus.take(windows_for(corpus, recipe.training.held_out_tokens), None).ids
    acts = passes(model, ids, layout.sites, pass_tokens=recipe.reading.pass_tokens)
    return in_batches(acts, recipe.training.batch_tokens)
