"""Everything that is measured of a dictionary set in its model, on held-out windows.

    report, measured = measure_dictionaries(model, dictionaries, corpus, tokens=65_536)

The windows are the first ones of `corpus`; who calls it sees to it that they were not trained on. Activations are read
a part at a time.
"""

from collections.abc import Generator

import torch
from jaxtyping import Int
from torch import Tensor

from gearscope.activations.harvest import passes
from gearscope.corpus.windows import Corpus, windows_for
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.fidelity import Fidelity, Readings, measure_fidelity, shuffled
from gearscope.evaluation.replaced import Agreement, agreement, in_model
from gearscope.evaluation.report import DictionaryReport, LayerReport, Replaced
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
    fidelity = measure_fidelity(fitting, _readings(model, fitting, ids))
    few = ids[: max(1, len(ids) // _REPLACED_SHARE)]
    plain = agreement(model, fitting, few.split(max(1, _PASS_TOKENS // ids.shape[1])))
    random = agreement(model, shuffled(fitting), few.split(max(1, _PASS_TOKENS // ids.shape[1])))
    report = DictionaryReport(
        tokens=fidelity.n_tokens,
        layers=_layers(dictionaries, fidelity),
        replaced_tokens=plain.n_tokens,
        replaced=_mean(plain),
        replaced_shuffled=_mean(random),
    )
    return report, fidelity


def _readings(model: Model, dictionaries: DictionarySet, ids: Int[Tensor, "B P"]) -> Generator[Readings]:
    sites = list(dict.fromkeys(site for c in dictionaries.configs for site in (*c.reads, *c.writes)))
    for acts in passes(model, ids, sites, pass_tokens=_PASS_TOKENS):
        yield dict(zip(sites, acts.unbind(1), strict=True))


def _layers(dictionaries: DictionarySet, fidelity: Fidelity) -> tuple[LayerReport, ...]:
    rows = []
    for config, features in zip(dictionaries.configs, fidelity.features, strict=True):
        own = (config.writes[config.own_write or 0],)
        rows += [
            LayerReport(
                reads="+".join(config.reads),
                writes=site,
                nmse=fidelity.nmse[site],
                nmse_shuffled=fidelity.nmse_shuffled[site],
                l0=features.l0,
                dead=features.dead,
            )
            for site in (own if len(config.reads) == 1 else config.writes)
        ]
    return tuple(rows)


def _mean(sums: Agreement) -> Replaced:
    return Replaced(top1=sums.same / sums.n_tokens, kl=sums.kl / sums.n_tokens)
