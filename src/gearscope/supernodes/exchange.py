"""A supernode exchanged for the one of another prompt, measured: does it carry what the two prompts differ in?

Each feature of either group gets the activation that it has on the other prompt (0 where it is silent there), at the
place that stands as far from the prompt's end. Features are clamped in a running model: what a clamped feature would be
by itself, given the clamps below it, is taken back, so that nothing counts twice. Attention patterns and routing are
held at the prompt's; norms and all MLPs are live. Many exchanges of one prompt are the rows of one batch.

The group of another prompt that plays the same part is the one that lies most alike: its influence by layer and
distance from the end, sum of the smaller shares over the sum of the larger ones. Knows nothing about how groups were
made.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.graph.graph import AttributionGraph, Supernode
from gearscope.ids import FeatureAt, SiteId
from gearscope.interventions.measure import WRITE_SITES
from gearscope.interventions.scene import Scene
from gearscope.models.hooks import Frozen
from gearscope.models.sites import Edit

Clamps = Mapping[FeatureAt, float]
Place = tuple[int, int]
"""A layer, and a position: of the prompt, or counted from its end (-1 is the last)."""


class Grouped:
    """A prompt with its groups, to be exchanged with those of other prompts."""

    def __init__(self, scene: Scene, groups: Sequence[Supernode]) -> None:
        self.scene, self.groups = scene, tuple(groups)
        self.members = tuple(_from_end(scene.graph, group) for group in groups)
        """Of every group, its features at positions counted from the end."""
        self.lies = tuple(_lies(scene.graph, group) for group in groups)
        """Of every group, its influence by layer and position counted from the end."""
        self._known: dict[FeatureAt, float] = {}

    def counterpart(self, own: Mapping[Place, float]) -> int | None:
        """Which of these groups lies most like one of another prompt; None where none shares a place."""
        scores = [_shared(own, other) for other in self.lies]
        return int(np.argmax(scores)) if max(scores, default=0.0) > 0 else None

    def at(self, feature: FeatureAt) -> FeatureAt | None:
        """A feature counted from the end at its place of the prompt; None where the prompt is too short for it."""
        position = feature.position + self.scene.prompt.n_positions
        return feature._replace(position=position) if position >= self.scene.prompt.n_constant_positions else None

    def activations(self, features: Sequence[FeatureAt]) -> list[float]:
        """What features counted from the end are on this prompt; 0 where it is too short for them."""
        places = [self.at(feature) for feature in features]
        self._known |= self.scene.activations({place for place in places if place and place not in self._known})
        return [0.0 if place is None else self._known[place] for place in places]


def exchanged(ours: Grouped, group: int, other: Grouped, theirs: int) -> dict[FeatureAt, float]:
    """The clamps that put another prompt's group in the place of one of ours."""
    features = list(dict.fromkeys([*ours.members[group], *other.members[theirs]]))
    places = zip(features, other.activations(features), strict=True)
    return {here: activation for feature, activation in places if (here := ours.at(feature)) is not None}


def clamped(scene: Scene, rows: Sequence[Clamps]) -> Float[Tensor, "B P V"]:
    """Logits of the scene's prompt with features clamped to activations, one row per set of clamps."""
    prompt, basis, replacement = scene.prompt, scene.basis, scene.replacement
    by_place: dict[tuple[int, int], dict[int, dict[int, float]]] = defaultdict(dict)
    for row, clamps in enumerate(rows):
        for (layer, index, position), activation in clamps.items():
            by_place[layer, position].setdefault(index, {})[row] = activation
    running = _Running(scene, len(rows), by_place)
    edits = []
    for layer in range(prompt.n_layers):
        edits.append(Edit(site=SiteId(layer, basis.reads), value=running.reader(layer)))
        edits.append(Edit(site=SiteId(layer, WRITE_SITES[replacement.writes_at]), value=running.writer(layer)))
    held = Frozen(record=prompt, norms=False, mlp_layers=range(0))
    return scene.model.run(prompt.token_ids.expand(len(rows), -1), edits=edits, freeze=held).logits


class _Running:
    """What clamps add to each layer's output, filled in as the model runs."""

    def __init__(self, scene: Scene, n_rows: int, by_place: Mapping[Place, Mapping[int, Mapping[int, float]]]) -> None:
        self._scene, self._n_rows, self._by_place = scene, n_rows, by_place
        self._added: dict[Place, Tensor] = {}

    def reader(self, layer: int) -> Callable[[Tensor], Tensor]:
        """Sees what a layer's features read, and leaves it as it is."""

        def read(x: Float[Tensor, "B P D"]) -> Float[Tensor, "B P D"]:
            for (own, position), clamps in self._by_place.items():
                if own == layer:
                    self._clamp(layer, position, clamps, x[:, position])
            return x

        return read

    def writer(self, layer: int) -> Callable[[Tensor], Tensor]:
        """Adds what clamps of this layer and of lower ones write there."""

        def write(out: Float[Tensor, "B P D"]) -> Float[Tensor, "B P D"]:
            out = out.clone()
            for (own, position), added in self._added.items():
                if own == layer:
                    out[:, position] += added
            return out

        return write

    def _clamp(
        self, layer: int, position: int, clamps: Mapping[int, Mapping[int, float]], x: Float[Tensor, "B D"]
    ) -> None:
        basis, routing = self._scene.basis, self._scene.prompt.blocks[layer].routing
        index = torch.tensor(list(clamps))
        wanted = x.new_full((self._n_rows, len(index)), torch.nan)
        for column, by_row in enumerate(clamps.values()):
            wanted[list(by_row), column] = torch.tensor(list(by_row.values()), dtype=x.dtype, device=x.device)
        chosen = None if routing is None else routing[position].expand(self._n_rows, -1)
        change = (wanted - basis.levels(layer, index, x, chosen).activation).nan_to_num(0.0)
        for written, vectors in basis.writes(layer, index, position).items():
            key = (written, position)
            self._added[key] = self._added.get(key, 0.0) + change @ vectors


def _lies(graph: AttributionGraph, group: Supernode) -> dict[Place, float]:
    influence = graph.influence if graph.influence is not None else graph.node_influence()
    found: dict[Place, float] = defaultdict(float)
    for node in map(graph.find, group.ids):
        found[int(graph.nodes.layer[node]), int(graph.nodes.position[node]) - len(graph.tokens)] += influence[node]
    return dict(found)


def _from_end(graph: AttributionGraph, group: Supernode) -> list[FeatureAt]:
    nodes, numbers = graph.nodes, [graph.find(name) for name in group.ids]
    length = len(graph.tokens)
    places = (nodes.place(number) for number in numbers)
    return [place._replace(position=place.position - length) for place in places]


def _shared(one: Mapping[Place, float], two: Mapping[Place, float]) -> float:
    places = {*one, *two}
    larger = sum(max(one.get(place, 0.0), two.get(place, 0.0)) for place in places)
    return sum(min(one.get(place, 0.0), two.get(place, 0.0)) for place in places) / larger if larger > 0 else 0.0
