"""The recipe: two models and a corpus to a crosscoder of both, the changes, and a report of what differs.

    done = diff("openai-community/gpt2", "my/fine-tune", "texts", Path("out"))             the folder `out`
    done = diff(..., resume=True)                  goes on with the training that was interrupted, kept in `out.run`

`compare` is the same for models that are open, without a folder.
"""

from pathlib import Path
from typing import NamedTuple

import torch

from gearscope.activations.harvest import in_batches
from gearscope.corpus.windows import Corpus, windows_for
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.training.train import Report as Progress
from gearscope.diffing.changes import changes_of, sites_for
from gearscope.diffing.classes import Numbers, classes_of, numbers_of
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.crosscoder import decoders_of, sites_of, train_crosscoder
from gearscope.diffing.effects import control_for, effect_of
from gearscope.diffing.pair import Pair, PairStream, check_differ, check_pair, paired_passes
from gearscope.diffing.parting import Counted
from gearscope.diffing.report import CLASSES, DIFFERENT, Class, DiffReport, Effect, Feature
from gearscope.diffing.store import write_diff
from gearscope.diffing.survey import Survey, explained, survey
from gearscope.diffing.words import behaviours_of, examples_of, promoted
from gearscope.errors import ArtifactError
from gearscope.opening import ORGANISM
from gearscope.recipes.corpora import open_sides
from gearscope.recipes.train import PLAIN, Opening, open_known
from gearscope.threads import one_thread

_TRIED = 16
"""Windows on which two models must differ."""


class Compared(NamedTuple):
    """A finished comparison."""

    report: DiffReport
    dictionary: Dictionary
    changes: Dictionary | None = None
    """The directions that changes are made of; None where none were looked for."""


def diff(
    a: str,
    b: str,
    corpus: str,
    out: Path,
    *,
    config: DiffConfig | None = None,
    opening: Opening = PLAIN,
    progress: Progress | None = None,
    counted: Counted | None = None,
    resume: bool = False,
) -> Compared:
    """Compare two models by name or folder and write the folder `out`.

    Raises every GearscopeError that opening, reading, training and writing can raise; nothing is then written to `out`.
    """
    if out.exists():
        raise ArtifactError(f"a new folder was expected at {out}", found="one that exists", hint="choose another --out")
    config = config or DiffConfig()
    pair = Pair(*(open_known(None if name == ORGANISM else name, opening) for name in (a, b)))
    check_pair(pair)
    train_on, held_out = open_sides(corpus, pair.a, config.reading.context, config.training.batch_tokens)
    run = out.with_name(f"{out.name}.run")
    done = compare(
        pair, (a, b), (train_on, held_out), run, config=config, progress=progress, counted=counted, resume=resume
    )
    inputs = {"a": pair.a.fingerprint, "b": pair.b.fingerprint, "corpus": train_on.fingerprint}
    inputs |= {f"revision_{name}": model.revision for name, model in pair._asdict().items() if model.revision}
    write_diff(out, done.report, done.dictionary, config, inputs, changes=done.changes)
    return done


def compare(
    pair: Pair,
    names: tuple[str, str],
    corpora: tuple[Corpus, Corpus],
    run: Path,
    *,
    config: DiffConfig,
    progress: Progress | None = None,
    counted: Counted | None = None,
    resume: bool = False,
) -> Compared:
    """Train on the first corpus and measure on the second; the run is kept in the folder `run`."""
    train_on, held_out = corpora
    sites = sites_of(config.training, pair.a.n_layers)
    sites_for(config.changes.change_layers, pair.a.n_layers)  # refused before anything is trained
    source = PairStream(pair, train_on, sites, config.reading, planes=config.planes)
    with one_thread(), torch.inference_mode():
        ids = held_out.take(windows_for(held_out, config.training.held_out_tokens), None).ids
        check_differ(pair, ids[:_TRIED], sites)
        acts = paired_passes(pair, ids, sites, pass_tokens=config.reading.pass_tokens, planes=config.planes)
        kept = in_batches(acts, config.training.batch_tokens)
        dictionary = train_crosscoder(config, sites, source, kept, run, progress=progress, resume=resume)
        seen = survey(pair, dictionary, ids, sites, config.reading.pass_tokens)
        report = _report(pair, names, dictionary, seen, sites, config)
        if not config.changes.change_tokens:
            return Compared(report, dictionary)
        changes = changes_of(pair, corpora, config, counted=counted)
        found = {"changes": changes.found, "parting": changes.parting}
        return Compared(report.model_copy(update=found), dictionary, changes.seen.dictionary)


def _report(
    pair: Pair,
    names: tuple[str, str],
    dictionary: Dictionary,
    seen: Survey,
    sites: tuple[str, ...],
    config: DiffConfig,
) -> DiffReport:
    d_a, d_b = (decoder.flatten(1) for decoder in decoders_of(dictionary))
    numbers = numbers_of(seen, d_a, d_b)
    classes = classes_of(numbers, config.classes)
    different = [i for i in numbers.share.argsort(descending=True, stable=True).tolist() if classes[i] in DIFFERENT]
    shared = [i for i in numbers.share.argsort(descending=True, stable=True).tolist() if classes[i] == "shared"]
    reported, effects = different + shared[: config.shared_features], dict[int, Effect]()
    for index in different[: config.effect_features] + shared[: config.shared_features]:
        others = [i for i in shared if i != index]
        if others and config.effect_features:
            control = control_for(index, seen.sums.fired, others)
            effects[index] = effect_of(pair, dictionary, seen, index, control, sites[0], config.effect_windows)
    kinds = [kind for kind in CLASSES if kind != "silent"]
    groups = torch.tensor([[True] * len(classes)] + [[found == kind for found in classes] for kind in kinds])
    written = explained(pair, dictionary, seen.ids, sites, groups, config.reading.pass_tokens)
    outputs = seen.outputs
    return DiffReport(
        a=names[0],
        b=names[1],
        sites=sites,
        tokens=seen.codes.n_rows,
        counts={kind: classes.count(kind) for kind in CLASSES},
        explained=dict(zip(["all", *kinds], written, strict=True)),
        loss_a=float(outputs.loss_a.nanmean()),
        loss_b=float(outputs.loss_b.nanmean()),
        kl=float(outputs.kl.mean()),
        same_top=float((outputs.top_a == outputs.top_b).double().mean()),
        features=tuple(
            _feature(pair, dictionary, seen, numbers, (i, classes[i]), effects.get(i), config.examples)
            for i in reported
        ),
        behaviours=behaviours_of(pair, seen, (d_b - d_a).norm(dim=1), classes, config.contexts),
    )


def _feature(
    pair: Pair,
    dictionary: Dictionary,
    seen: Survey,
    numbers: Numbers,
    which: tuple[int, Class],
    effect: Effect | None,
    n_examples: int,
) -> Feature:
    index, kind = which
    d_a, d_b = (decoder[index, -1] for decoder in decoders_of(dictionary))
    return Feature(
        index=index,
        kind=kind,
        fired=int(numbers.fired[index]),
        **{name: float(values[index]) for name, values in numbers.scales._asdict().items()},
        share=float(numbers.share[index]),
        kl=float(numbers.kl[index]),
        examples=examples_of(pair.b, seen, index, n_examples),
        promotes=promoted(pair.b, d_b - d_a),
        effect=effect,
    )
