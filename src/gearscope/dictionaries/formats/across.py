"""What formats across layers share: a dictionary per layer, each writing to its own layer and all later ones.

W_dec [F, targets, D]        every feature's decoders, the first into the layer that is read
b_dec [D] per layer          one bias per layer that is written, whoever of ours carried it
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import Activation, DictionaryConfig, ReadForm, WriteForm
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.formats.files import at_least_single
from gearscope.ids import SiteId


def build_across(
    weights: dict[str, Tensor],
    *,
    reads: str,
    writes: Sequence[str],
    activation: Activation,
    k: int | None = None,
    read_form: ReadForm = "site",
    write_form: WriteForm = "site",
) -> Dictionary:
    """One layer's dictionary, from W_enc [F, D], b_enc, W_dec [F, targets, D] (stays mapped), b_dec [D], and perhaps
    threshold and W_skip. Raises DictionaryError, ConfigError.
    """
    n_features, d_model = weights["W_enc"].shape
    small = {name: at_least_single(tensor) for name, tensor in weights.items() if name != "W_dec"}
    biases = torch.zeros(len(writes), len(small["b_dec"]), dtype=small["b_dec"].dtype)
    biases[0] = small["b_dec"]
    threshold = small.get("threshold")
    if threshold is not None:
        threshold = threshold.reshape(-1)
        threshold = threshold.repeat(n_features) if len(threshold) == 1 else threshold
    return Dictionary(
        config=DictionaryConfig.of(
            reads=(reads,),
            writes=tuple(writes),
            n_features=n_features,
            d_model=d_model,
            activation=activation,
            k=k,
            read_form=read_form,
            write_form=write_form,
        ),
        W_enc=small["W_enc"][:, None],
        b_enc=small["b_enc"],
        W_dec=weights["W_dec"],
        b_dec=biases,
        threshold=threshold,
        W_skip=small.get("W_skip"),
        mapped=True,
    )


def summed_bias(dictionaries: DictionarySet, layer: int) -> Tensor:
    """The bias of a layer: the sum over the dictionaries that write there, which are this one and the earlier ones."""
    return torch.stack([one.b_dec[layer - i] for i, one in enumerate(dictionaries.dictionaries[: layer + 1])]).sum(0)


def gaps(dictionaries: DictionarySet, places: Sequence[SiteId] | None) -> list[str]:
    """Dictionaries that do not write to their own place and every later one; to their own alone where None is given."""
    wrong = []
    for number, config in enumerate(dictionaries.configs):
        own = SiteId(config.read_sites[0].layer, config.write_sites[0].name)
        expected = (own,) if places is None else tuple(places[number:])
        if len(config.reads) > 1 or config.write_sites != expected:
            wrong.append(f"layer {config.read_sites[0].layer} that writes {', '.join(config.writes)}")
    return wrong
