"""Everything that is measured of a dictionary set in its model, on held-out windows.

    report, measured = measure_dictionaries(model, dictionaries, corpus, tokens=65_536)

The windows are the first ones of `corpus`; who calls it sees to it that they were not trained on. Activations are read
a part at a time.
"""

from collections.abc import Generator, Sequence
from functools import partial

import torch
from jaxtyping import Int
from torch import Tensor

from gearscope.activations.harvest import passes
from gearscope.corpus.windows import Corpus, windows_for
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.fidelity import Fidelity, FidelitySums, Readings, shuffled
from gearscope.evaluation.agreement import Agreement, compare
from gearscope.evaluation.positions import ByPosition, PositionSums, spans
from gearscope.evaluation.replaced import constant_logits, in_model, replaced_logits
from gearscope.evaluation.report import DictionaryReport, LayerReport, PositionReport, Replaced
from gearscope.models.model import Model

_PASS_TOKENS = 512
_REPLACED_SHARE = 4
"""The replaced runs use one in so many of the windows."""


@torch.no_grad()
def measure_dictionaries(
    model: Model, dictionaries: DictionarySet, corpus: Corpus, *, tokens: int
) -> tuple[DictionaryReport, Fidelity]:
    """The report, and the statistics of the features. Raises DictionaryError when the dictionaries do not fit."""
    ids = corpus.take(windows_for(corpus, tokens), None).ids.to(model.device)
    fitting = in_model(dictionaries, model, ids[0])
    sums, by_position = FidelitySums(fitting), PositionSums(fitting, ids.shape[1])
    for part in _readings(model, fitting, ids):
        by_position.add(part, sums.add(part))
    fidelity = sums.result()
    few = ids[: max(1, len(ids) // _REPLACED_SHARE)]
    runs = [
        partial(replaced_logits, model, fitting),
        partial(replaced_logits, model, shuffled(fitting)),
        partial(constant_logits, model, fidelity.mean),
    ]
    plain, found, random, constant = compare(model, runs, few.split(max(1, _PASS_TOKENS // ids.shape[1])))
    positions = spans(ids.shape[1])
    report = DictionaryReport(
        tokens=fidelity.n_tokens,
        layers=_layers(dictionaries, fidelity),
        replaced_tokens=plain.n_tokens,
        replaced=_replaced(found),
        replaced_shuffled=_replaced(random),
        at_means=_replaced(constant),
        plain_loss=plain.mean_loss,
        positions=_positions(dictionaries, positions, by_position.result(positions), found),
    )
    return report, fidelity


def _readings(model: Model, dictionaries: DictionarySet, ids: Int[Tensor, "B P"]) -> Generator[Readings]:
    sites = list(dict.fromkeys(site for c in dictionaries.configs for site in (*c.reads, *c.writes)))
    for acts in passes(model, ids, sites, pass_tokens=_PASS_TOKENS):
        yield dict(zip(sites, acts.unbind(1), strict=True))


def _reported(config: DictionaryConfig) -> tuple[str, ...]:
    """The site in a dictionary's own layer; all that a crosscoder writes."""
    return (config.writes[config.own_write or 0],) if len(config.reads) == 1 else config.writes


def _layers(dictionaries: DictionarySet, fidelity: Fidelity) -> tuple[LayerReport, ...]:
    return tuple(
        LayerReport(
            reads="+".join(config.reads),
            writes=site,
            nmse=fidelity.nmse[site],
            nmse_shuffled=fidelity.nmse_shuffled[site],
            l0=features.l0,
            dead=features.dead,
        )
        for config, features in zip(dictionaries.configs, fidelity.features, strict=True)
        for site in _reported(config)
    )


def _positions(
    dictionaries: DictionarySet, positions: Sequence[range], measured: Sequence[ByPosition], run: Agreement
) -> tuple[PositionReport, ...]:
    rows = [(number, site) for number, config in enumerate(dictionaries.configs) for site in _reported(config)]
    reports = []
    for span, one in zip(positions, measured, strict=True):
        these = slice(span.start - 1, span.stop - 1)
        reports.append(
            PositionReport(
                first=span.start,
                last=span.stop - 1,
                nmse=tuple(one.nmse[site] for _, site in rows),
                l0=tuple(one.l0[number] for number, _ in rows),
                top1=float(run.same[these].mean()) / run.n_windows,
                kl=float(run.kl[these].mean()) / run.n_windows,
            )
        )
    return tuple(reports)


def _replaced(run: Agreement) -> Replaced:
    n = run.n_tokens
    return Replaced(top1=float(run.same.sum()) / n, kl=float(run.kl.sum()) / n, loss=run.mean_loss)
