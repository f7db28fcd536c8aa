"""Finished dictionaries without the features that hardly ever fire: they take space, and are dead to whoever looks.

Counted on tokens behind the last step, with the stored thresholds; so dictionaries of one set can have different
numbers of features. The others stay as they are. Knows nothing about models.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.fidelity import Readings
from gearscope.errors import DictionaryError


@torch.no_grad()
def pruned(dictionaries: DictionarySet, parts: Iterable[Readings], least: int) -> DictionarySet:
    """Those features that fire on at least so many of the tokens. Raises DictionaryError when one has none left."""
    counts = [torch.zeros(c.n_features, dtype=torch.int64) for c in dictionaries.configs]
    for part in parts:
        for dictionary, count in zip(dictionaries.dictionaries, counts, strict=True):
            codes = dictionary.encode(torch.stack([part[site] for site in dictionary.config.reads], dim=1))
            count += torch.bincount(codes.columns.cpu(), minlength=len(count))
    made = tuple(_kept(d, count >= least) for d, count in zip(dictionaries.dictionaries, counts, strict=True))
    return replace(dictionaries, dictionaries=made)


def _kept(dictionary: Dictionary, keep: torch.Tensor) -> Dictionary:
    if not bool(keep.any()):
        raise DictionaryError(
            f"features that fire were expected in the dictionary that reads {', '.join(dictionary.config.reads)}",
            found="none",
            hint="train on more tokens, or lower prune_below",
        )
    keep = keep.to(dictionary.W_enc.device)
    config = dictionary.config.model_copy(update={"n_features": int(keep.sum())})
    threshold = None if dictionary.threshold is None else dictionary.threshold[keep]
    return replace(
        dictionary,
        config=config,
        W_enc=dictionary.W_enc[keep],
        b_enc=dictionary.b_enc[keep],
        W_dec=dictionary.W_dec[keep],
        threshold=threshold,
    )
