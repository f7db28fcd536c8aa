"""Any feature of a basis at any place of a prompt, active or not: what it writes, what it is under other inputs.

Attribution needs active features only; an intervention may put an inactive one in place, and may wake one up. The
two bases answer alike:

    neurons        writes W_out (times its expert's weight on the prompt); value z = W_in x + b, or f where it is gated
    dictionaries   writes W_dec, at every layer it has a row for;        value W_enc x + b_enc, a pre-activation

An SAE reads and writes at its own site: an MLP output, or the residual stream behind a layer.

What a basis knows of its features on other text, their largest activations and their densities, is read here too.
Knows nothing about edits, graphs or how a model was run.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.errors import DictionaryError
from gearscope.ids import FeatureId
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.mlp import ExpertWeights
from gearscope.replacement.neurons import Neurons


class Level(NamedTuple):
    """What some features are at some inputs."""

    value: Float[Tensor, "B K"]
    """What their attribution rows sum to."""
    activation: Float[Tensor, "B K"]


@runtime_checkable
class Basis(Protocol):
    """What both bases offer for one prompt."""

    @property
    def reads(self) -> str:
        """The name of the site in every layer that `levels` reads."""
        ...

    def n_features(self, layer: int) -> int:
        """How many features read at a layer."""
        ...

    def writes(self, layer: int, index: Int[Tensor, " K"], position: int) -> Mapping[int, Float[Tensor, "K D"]]:
        """What features of one layer write per unit of activation at `position`, by layer that they write to."""
        ...

    def levels(
        self, layer: int, index: Int[Tensor, " K"], x: Float[Tensor, "B D"], routing: Float[Tensor, "B X"] | None
    ) -> Level:
        """What features of one layer are when they read x (and, with experts, the router gives these weights)."""
        ...

    def density(self, layer: int) -> Float[Tensor, " F"] | None:
        """Share of tokens on which each feature of a layer is active; None when the basis does not know."""
        ...

    def maximum(self, feature: FeatureId) -> float:
        """The largest activation of a feature on the text it was measured on. Raises DictionaryError without one."""
        ...


def open_features(prompt: FrozenPrompt, replacement: object, dictionaries: DictionarySet | None) -> Basis:
    """The features of a prompt's basis: those of its dictionaries, or its neurons."""
    if dictionaries is None:
        assert isinstance(replacement, Neurons), "a basis without dictionaries is the neurons"
        return NeuronFeatures(replacement)
    if dictionaries.kind == "sae":
        saes, place = dictionaries.saes_by_layer(), _place(dictionaries, prompt)
        return CodedFeatures(saes, place, prompt.token_embed)
    coders = {i: _behind_gain(coder, prompt, i) for i, coder in enumerate(dictionaries.dictionaries)}
    return CodedFeatures(coders, coders[0].config.read_sites[0].name, prompt.token_embed)


class NeuronFeatures:
    """Every neuron of a prompt's MLPs. Fulfils `Basis`."""

    def __init__(self, neurons: Neurons) -> None:
        self._neurons = neurons

    @property
    def reads(self) -> str:
        """Behind the MLP's norm."""
        return "mlp_in"

    def n_features(self, layer: int) -> int:
        """Neurons of all experts together."""
        return self._neurons.mlps[layer].n_neurons

    def _expert(self, layer: int, index: Int[Tensor, " K"]) -> Int[Tensor, " K"]:
        mlp = self._neurons.mlps[layer]
        return index // (mlp.width if isinstance(mlp, ExpertWeights) else mlp.n_neurons)

    def writes(self, layer: int, index: Int[Tensor, " K"], position: int) -> Mapping[int, Float[Tensor, "K D"]]:
        """Rows of W_out; nothing where the prompt did not choose the neuron's expert."""
        rows = self._neurons.mlps[layer].rows(index).W_out
        routing = self._neurons.routing[layer]
        return {layer: rows if routing is None else rows * routing[position, self._expert(layer, index), None]}

    def levels(
        self, layer: int, index: Int[Tensor, " K"], x: Float[Tensor, "B D"], routing: Float[Tensor, "B X"] | None
    ) -> Level:
        """Pre-activation and activation; both are the activation of a gated neuron."""
        some = self._neurons.mlps[layer].rows(index)
        up, gate = some.pre_activations(x)
        activation = some.act(up) if gate is None else some.act(gate) * some.factor(up)
        value = up if gate is None else activation
        if routing is None:
            return Level(value, activation)
        chosen = routing[:, self._expert(layer, index)] != 0
        return Level(value * chosen, activation * chosen)

    def density(self, layer: int) -> Float[Tensor, " F"] | None:
        """None: nobody counted."""
        del layer

    def maximum(self, feature: FeatureId) -> float:
        """Nobody measured one: raises DictionaryError."""
        raise DictionaryError(
            f"a basis that knows the maximum of {feature} was expected",
            found="neurons, whose maxima nobody has measured",
            hint="give an absolute activation (=3.1) or a multiple of the present one (*2)",
        )


class CodedFeatures:
    """Every feature of a model's dictionaries. Fulfils `Basis`."""

    def __init__(self, coders: Mapping[int, Dictionary], reads: str, like: Tensor) -> None:
        self._coders, self._reads, self._like = coders, reads, like

    @property
    def reads(self) -> str:
        """Behind the MLP's norm or before it; for SAEs, their own site."""
        return self._reads

    def n_features(self, layer: int) -> int:
        """Width of the layer's dictionary; 0 for a layer without an SAE."""
        return self._coders[layer].config.n_features if layer in self._coders else 0

    def writes(self, layer: int, index: Int[Tensor, " K"], position: int) -> Mapping[int, Float[Tensor, "K D"]]:
        """Rows of the decoder, the same at every position."""
        del position
        coder = self._coders[layer]
        rows = coder.decoders(index, self._like)
        sites = coder.config.write_sites
        if coder.config.reads == coder.config.writes:
            return {layer: rows[:, 0]}
        return {site.layer: rows[:, i] for i, site in enumerate(sites) if site.layer is not None}

    def levels(
        self, layer: int, index: Int[Tensor, " K"], x: Float[Tensor, "B D"], routing: Float[Tensor, "B X"] | None
    ) -> Level:
        """Pre-activation and activation; a whole layer is encoded, as features may exclude each other."""
        del routing
        coder = self._coders[layer]
        used = index.to(coder.W_enc.device)
        value = torch.addmm(coder.b_enc[used].to(x), x, coder.W_enc[used, 0].to(x).T)
        codes = coder.encode(x[:, None])
        dense = x.new_zeros(len(x), coder.config.n_features)
        dense[codes.rows, codes.columns] = codes.values
        return Level(value, dense[:, index])

    def density(self, layer: int) -> Float[Tensor, " F"] | None:
        """As stored with the dictionary."""
        return self._coders[layer].density

    def maximum(self, feature: FeatureId) -> float:
        """As stored with the dictionary. Raises DictionaryError when it is not stored, or is 0."""
        maxima = self._coders[feature.layer].max_activation
        expected = f"a dictionary that knows the maximum of {feature} was expected"
        if maxima is None:
            hint = "give an absolute activation (=3.1) or a multiple of the present one (*2)"
            raise DictionaryError(expected, found="one without stored maxima", hint=hint)
        if float(maxima[feature.index]) <= 0:
            raise DictionaryError(expected, found="a feature that was never active where maxima were measured")
        return float(maxima[feature.index])


def _place(saes: DictionarySet, prompt: FrozenPrompt) -> str:
    return saes.check_are_saes(n_layers=prompt.n_layers, d_model=prompt.d_model)


def _behind_gain(coder: Dictionary, prompt: FrozenPrompt, layer: int) -> Dictionary:
    norm = prompt.blocks[layer].mlp_norm
    return coder.after_norm(norm.weight, norm.bias) if coder.config.read_form == "before_gain" else coder
