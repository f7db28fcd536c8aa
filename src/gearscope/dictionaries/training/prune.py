"""Finished dictionaries without the features that hardly ever fire: they take space, and are dead to whoever looks.

Counted on tokens behind the last step, with the stored thresholds; so dictionaries of one set can have different
numbers of features. The others stay as they are. Knows nothing about models.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.fidelity import Readings
from gearscope.errors import ConfigError, DictionaryError


@torch.no_grad()
def pruned(dictionaries: DictionarySet, parts: Iterable[Readings], least: int | Sequence[int]) -> DictionarySet:
    """Those features that fire on at least so many of the tokens; one number for all dictionaries, or one for each.

    Raises DictionaryError when one has none left, and ConfigError when there are not as many numbers as dictionaries.
    """
    leasts = [least] * len(dictionaries.dictionaries) if isinstance(least, int) else list(least)
    if len(leasts) != len(dictionaries.dictionaries):
        expected = f"prune_below as one number or {len(dictionaries.dictionaries)} was expected, one per dictionary"
        raise ConfigError(expected, found=str(leasts))
    counts = [torch.zeros(c.n_features, dtype=torch.int64) for c in dictionaries.configs]
    for part in parts:
        for dictionary, count in zip(dictionaries.dictionaries, counts, strict=True):
            codes = dictionary.encode(torch.stack([part[site] for site in dictionary.config.reads], dim=1))
            count += torch.bincount(codes.columns.cpu(), minlength=len(count))
    with_counts = zip(dictionaries.dictionaries, counts, leasts, strict=True)
    made = tuple(_kept(d, count >= at_least) for d, count, at_least in with_counts)
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
