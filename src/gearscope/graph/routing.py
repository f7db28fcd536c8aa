"""Which experts a prompt was sent to, as stored with its graph: the routing that was frozen while it was traced.

    details["experts"]   per routed layer: {"layer", "experts", "width", "chosen": per position [[expert, weight], ...]}

Neurons of experts stand side by side, so a neuron's index names its expert: index // width. Graphs of dense models, and
of other programs, have none of this; what is damaged is as if it were not there.
"""

from typing import Any, NamedTuple

from gearscope.graph.graph import AttributionGraph

KEY = "experts"


class Chosen(NamedTuple):
    """One expert at one position, with the router's weight."""

    expert: int
    weight: float


class LayerRouting(NamedTuple):
    """The choices of one layer's router."""

    layer: int
    n_experts: int
    width: int
    """Neurons of one expert."""
    chosen: tuple[tuple[Chosen, ...], ...]
    """By position, strongest first."""

    def at(self, position: int) -> tuple[Chosen, ...]:
        """The experts chosen at a position; none outside the prompt."""
        return self.chosen[position] if 0 <= position < len(self.chosen) else ()


def to_details(layers: list[LayerRouting]) -> dict[str, Any]:
    """What goes into the graph's details; nothing for a dense model."""
    rows = [
        {
            "layer": routing.layer,
            "experts": routing.n_experts,
            "width": routing.width,
            "chosen": [[list(chosen) for chosen in at] for at in routing.chosen],
        }
        for routing in layers
    ]
    return {KEY: rows} if rows else {}


def read_routing(graph: AttributionGraph) -> dict[int, LayerRouting]:
    """The routing by layer."""
    rows = graph.details.get(KEY)
    try:
        found = [
            LayerRouting(
                int(row["layer"]),
                int(row["experts"]),
                max(1, int(row["width"])),
                tuple(tuple(Chosen(int(expert), float(weight)) for expert, weight in at) for at in row["chosen"]),
            )
            for row in rows or ()
        ]
    except (TypeError, ValueError, KeyError):
        return {}
    return {routing.layer: routing for routing in found}


def expert_of(graph: AttributionGraph, node: int) -> Chosen | None:
    """The expert that a neuron belongs to, and its weight there; None for nodes that are no experts' neurons."""
    nodes = graph.nodes
    routing = read_routing(graph).get(int(nodes.layer[node]))
    if routing is None or nodes.kind[node] != "feature" or not graph.basis.startswith("neurons"):
        return None
    expert = int(nodes.index[node]) // routing.width
    return next((chosen for chosen in routing.at(int(nodes.position[node])) if chosen.expert == expert), None)
