"""Which truth variables of the world a single feature tells, by AUROC, on documents that did not choose the feature.

For each value of a variable, features are asked whether the variable has this value at a token (`places.py`). Half of
the documents choose the place, and the best feature for each value; the other half gives the figure, the mean over the
values. The same is done for

    neurons     the MLPs' own neurons: what there is without a dictionary
    probe       the direction between the mean of a value and the mean of the others in the residual stream, at the
                best layer: how well it can be read at all, from all features together
    shuffled    the dictionary, with values exchanged among the documents: one half if nothing is wrong
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.evaluation.best import Plane, best, best_probe
from gearscope.evaluation.places import WHERE, Places, drawn, places, shuffled, values_of
from gearscope.evaluation.replaced import in_model
from gearscope.evaluation.report import TruthReport, TruthRow
from gearscope.ids import FeatureId
from gearscope.models.model import Model
from gearscope.organism.world.document import Document
from gearscope.organism.world.phenomena import BASE
from gearscope.organism.world.vocabulary import BOS, TOKEN_ID

RECOVERED = 0.95
"""AUROC from which on a variable counts as recovered."""


class _Read(NamedTuple):
    """What a model and dictionaries compute at some tokens of documents."""

    features: Plane
    neurons: Plane
    residual: tuple[Plane, ...]
    """Behind each layer."""
    names: tuple[FeatureId, ...]
    """Of the columns of `features`."""


@torch.no_grad()
def recover_truths(
    model: Model, dictionaries: DictionarySet, *, documents: int = 2000, seed: int = 0, phenomena: Sequence[str] = ()
) -> TruthReport:
    """The report, over the phenomena of the organism's world (all of them by default).

    The model's words must be the world's. Raises DictionaryError when the dictionaries do not fit the model.
    """
    rows = []
    for name in phenomena or tuple(module.PHENOMENON for module in BASE):
        texts = drawn(name, documents, seed)
        labelled = places(texts)
        read = _read(model, dictionaries, texts, labelled)
        for variable in sorted({variable for variable, _ in labelled}):
            row = _row(name, variable, labelled, read)
            if row is not None:
                rows.append(row)
    return TruthReport(documents=documents, seed=seed, bar=RECOVERED, rows=tuple(rows))


def _row(phenomenon: str, variable: str, labelled: Places, read: _Read) -> TruthRow | None:
    at = {where: labelled[variable, where] for where in WHERE if (variable, where) in labelled}
    values = values_of(at["settled"])
    if len(values) < 2:
        return None
    found = best(at, values, read.features)
    mixed = {where: shuffled(tokens) for where, tokens in at.items()}
    return TruthRow(
        phenomenon=phenomenon,
        variable=variable,
        place=found.where,
        values=len(values),
        of_values=len({token.value for token in at["settled"]}),
        auroc=found.area,
        neurons=best(at, values, read.neurons).area,
        probe=best_probe(at, values, read.residual).area,
        shuffled=best(mixed, values, read.features).area,
        features={str(value): str(read.names[column]) for value, column in zip(values, found.columns, strict=True)},
    )


def _read(model: Model, dictionaries: DictionarySet, texts: Sequence[Document], labelled: Places) -> _Read:
    wanted = sorted({(token.document, token.word) for tokens in labelled.values() for token in tokens})
    fitting = in_model(dictionaries, model, _ids(texts[0]))
    reads = [site for config in fitting.configs for site in config.reads]
    layers = range(model.n_layers)
    neurons, residual = ([f"blocks.{layer}.{site}" for layer in layers] for site in ("mlp_act", "resid_post"))
    acts = _acts(model, texts, wanted, list(dict.fromkeys([*reads, *neurons, *residual])))
    codes, names = [], []
    for dictionary in fitting.dictionaries:
        x = torch.stack([acts[site] for site in dictionary.config.reads], 1)
        dense = dictionary.encode(x).dense(dictionary.config.n_features)
        fires = (dense != 0).any(0)
        codes.append(dense[:, fires])
        layer = dictionary.config.read_sites[0].layer or 0
        names += [FeatureId(layer, index) for index in fires.nonzero().flatten().tolist()]
    row = {token: number for number, token in enumerate(wanted)}
    return _Read(
        Plane(torch.cat(codes, 1), row),
        Plane(torch.cat([acts[site] for site in neurons], 1), row),
        tuple(Plane(acts[site], row) for site in residual),
        tuple(names),
    )


def _ids(document: Document) -> Int[Tensor, " P"]:
    return torch.tensor([TOKEN_ID[word] for word in (BOS, *document.words)])


def _acts(
    model: Model, texts: Sequence[Document], wanted: Sequence[tuple[int, int]], sites: Sequence[str]
) -> dict[str, Float[Tensor, "P D"]]:
    """Activations at (document, word), documents of one length at a time."""
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for number, document in enumerate(texts):
        alike[len(document.words)].append(number)
    rows = {token: number for number, token in enumerate(wanted)}
    found: dict[str, Tensor] = {}
    for numbers in alike.values():
        read = model.read(torch.stack([_ids(texts[number]) for number in numbers]), sites)
        place = {number: index for index, number in enumerate(numbers)}
        here = [token for token in wanted if token[0] in place]
        documents, words = [place[document] for document, _ in here], [word + 1 for _, word in here]
        for site in sites:
            acts = read[site][documents, words].float().cpu()
            found.setdefault(site, acts.new_zeros(len(wanted), acts.shape[-1]))[[rows[token] for token in here]] = acts
    return found
