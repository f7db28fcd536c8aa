"""Which truth variables of the world a single feature tells, by AUROC, on documents that did not choose the feature.

For each value of a variable, features are asked whether the variable has this value at a token (`places.py`). Half of
the documents choose the place, and the best feature for each value; the other half gives the figure, the mean over the
values. The same is done for

    neurons     the MLPs' own neurons: what there is without a dictionary
    random      as many directions, drawn at random, each firing about as often as a feature of the dictionary
    shuffled    the dictionary, with values exchanged among the documents: one half if nothing is wrong
    probe       linear discriminants of the residual stream (`probe.py`): whether the value is there as a direction
    together    sums of up to three features, where one does not do and the probe does: whether the value was split

Decision 0018 says why variables are asked where they are, and what is kept out of the count.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.selection import Codes
from gearscope.evaluation.best import Dense, Found, Plane, Sparse, best, sides, together
from gearscope.evaluation.forms import forms_of
from gearscope.evaluation.places import WANTED, Drawn, Places, drawn, often, places, shuffled
from gearscope.evaluation.probe import best_probe
from gearscope.evaluation.replaced import in_model
from gearscope.evaluation.report import TruthReport, TruthRow, Unasked
from gearscope.ids import FeatureId
from gearscope.models.model import Model
from gearscope.organism.truth.maps import InterchangeMap
from gearscope.organism.world.document import Document, Value
from gearscope.organism.world.phenomena import BASE
from gearscope.organism.world.vocabulary import ids_of

RECOVERED = 0.95
"""AUROC from which on a variable counts as recovered, and as being there."""
TOGETHER = 3
"""Features that are added where one does not tell."""
_PER_VALUE = 50
"""One in so many of the documents asked for is drawn of each value, and `WANTED` at least."""
_FOR_THRESHOLDS = 1000
"""Tokens on which the thresholds of random features are found."""
_AT_ONCE = 2048
"""Tokens of which random features are computed at once."""


class _Read(NamedTuple):
    """What a model and dictionaries compute at some tokens of documents."""

    features: Plane
    random: Plane
    neurons: Plane
    residual: tuple[Plane, ...]
    """Behind each layer."""
    names: tuple[FeatureId, ...]
    """Of the columns of `features`."""


@torch.no_grad()
def recover_truths(
    model: Model,
    dictionaries: DictionarySet,
    *,
    documents: int = 2000,
    seed: int = 0,
    phenomena: Sequence[str] = (),
    maps: Sequence[InterchangeMap] = (),
) -> TruthReport:
    """The report, over the phenomena of the organism's world (all of them by default).

    `maps` are the model's interchange maps; where they say that a variable is carried, it is asked for too. The model's
    words must be the world's. Raises DictionaryError when the dictionaries do not fit the model.
    """
    rows: list[TruthRow] = []
    unasked: list[Unasked] = []
    for name in phenomena or tuple(module.PHENOMENON for module in BASE):
        forms = forms_of(maps, name)
        chosen = drawn(name, documents, seed, forms, wanted=max(WANTED, documents // _PER_VALUE))
        labelled = places(chosen.documents, forms)
        read = _read(model, dictionaries, chosen.documents, labelled)
        for made in _rows(name, chosen, labelled, read):
            if isinstance(made, TruthRow):
                rows.append(made)
            else:
                unasked.append(made)
    return TruthReport(documents=documents, seed=seed, bar=RECOVERED, rows=tuple(rows), unasked=tuple(unasked))


def _rows(phenomenon: str, chosen: Drawn, labelled: Places, read: _Read) -> Iterator[TruthRow | Unasked]:
    for variable, frequent in chosen.values.items():
        values = often(labelled[variable, "settled"], frequent)
        if len(values) > 1:
            yield _row(phenomenon, variable, values, labelled, read)
        else:
            only = len({token.value for token in labelled[variable, "settled"]}) == 1
            reason = "it has one value only" if only else "too few documents can be drawn of any two values"
            yield Unasked(phenomenon=phenomenon, variable=variable, reason=reason)


def _row(phenomenon: str, variable: str, values: tuple[Value, ...], labelled: Places, read: _Read) -> TruthRow:
    tokens = {where: known for (name, where), known in labelled.items() if name == variable}
    at = sides(tokens, values)
    found = best(at, read.features)
    probe = best_probe(at, read.residual)
    mixed = sides({where: shuffled(known) for where, known in tokens.items() if where in at}, values)
    split = found.area < RECOVERED <= probe
    return TruthRow(
        phenomenon=phenomenon,
        variable=variable,
        place=found.where,
        values=len(values),
        of_values=len({token.value for token in labelled[variable, "settled"]}),
        auroc=found.area,
        neurons=best(at, read.neurons).area,
        random=best(at, read.random).area,
        shuffled=best(mixed, read.features).area,
        probe=probe,
        together=together(at, found.where, read.features, most=TOGETHER) if split else None,
        features=_named(values, found, read.names),
    )


def _named(values: tuple[Value, ...], found: Found, names: tuple[FeatureId, ...]) -> dict[str, str]:
    told = zip(values, found.columns, found.silent, strict=True)
    return {str(value): f"{'-' if silent else ''}{names[column]}" for value, column, silent in told}


def _read(model: Model, dictionaries: DictionarySet, texts: Sequence[Document], labelled: Places) -> _Read:
    wanted = sorted({(token.document, token.word) for tokens in labelled.values() for token in tokens})
    fitting = in_model(dictionaries, model, _ids(texts[0]))
    reads = [site for config in fitting.configs for site in config.reads]
    layers = range(model.n_layers)
    neurons, residual = ([f"blocks.{layer}.{site}" for layer in layers] for site in ("mlp_act", "resid_post"))
    acts = _acts(model, texts, wanted, list(dict.fromkeys([*reads, *neurons, *residual])))
    codes, random, names = [], [], []
    generator = torch.Generator().manual_seed(0)
    for dictionary in fitting.dictionaries:
        x = torch.stack([acts[site] for site in dictionary.config.reads], 1)
        found = dictionary.encode(x)
        fires = torch.bincount(found.columns, minlength=dictionary.config.n_features) > 0
        fires[0] = True  # so that a dictionary that never fires can be asked as well
        codes.append(found._replace(columns=(fires.cumsum(0) - 1)[found.columns]))
        random.append(_at_random(x.flatten(1), codes[-1], int(fires.sum()), generator))
        layer = dictionary.config.read_sites[0].layer or 0
        names.append([FeatureId(layer, index) for index in fires.nonzero().flatten().tolist()])
    row = {token: number for number, token in enumerate(wanted)}
    widths = [len(own) for own in names]
    return _Read(
        Sparse(_beside(codes, widths), sum(widths), row),
        Sparse(_beside(random, widths), sum(widths), row),
        Dense(torch.cat([acts[site] for site in neurons], 1), row),
        tuple(Dense(acts[site], row) for site in residual),
        tuple(name for own in names for name in own),
    )


def _beside(codes: Sequence[Codes], widths: Sequence[int]) -> Codes:
    """Codes of the same tokens by several dictionaries, as those of one."""
    columns = [one.columns + sum(widths[:number]) for number, one in enumerate(codes)]
    order = torch.cat([one.rows for one in codes]).argsort(stable=True)
    rows, all_columns, values = (
        torch.cat(parts)[order] for parts in ([one.rows for one in codes], columns, [one.values for one in codes])
    )
    return Codes(rows, all_columns, values, codes[0].n_rows)


def _at_random(x: Float[Tensor, "P D"], codes: Codes, width: int, generator: torch.Generator) -> Codes:
    """As many features in random directions, each with the threshold at which it fires about as often."""
    directions = torch.randn(x.shape[1], width, generator=generator)
    every = max(1, len(x) // _FOR_THRESHOLDS)
    ordered = (x[::every] @ directions).sort(dim=0, descending=True).values
    firing = torch.bincount(codes.columns[codes.rows % every == 0], minlength=width).clamp(max=len(ordered) - 1)
    threshold = ordered.gather(0, firing[None])
    parts = []
    for first in range(0, len(x), _AT_ONCE):
        above = (x[first : first + _AT_ONCE] @ directions - threshold).clamp_min(0)
        rows, columns = above.nonzero().unbind(1)
        parts.append((rows + first, columns, above[rows, columns]))
    rows, columns, values = (torch.cat(part) for part in zip(*parts, strict=True))
    return Codes(rows, columns, values, len(x))


def _ids(document: Document) -> Int[Tensor, " P"]:
    return torch.tensor(ids_of(document.words))


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
