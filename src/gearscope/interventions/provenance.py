"""Whether a graph belongs to the model and basis that are open, and which token ids its prompt had.

Knows nothing about edits.
"""

from collections.abc import Mapping

import numpy as np

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph


def check_belongs(graph: AttributionGraph, inputs: Mapping[str, str], *, basis: str) -> None:
    """Compare the fingerprints that a graph was made with to those of what is open (`model`, `dictionaries`).

    Raises GraphError where they differ, and for graphs of other programs, which have none.
    """
    certificate = graph.details.get("certificate")
    made_with = certificate.get("inputs") if isinstance(certificate, dict) else None
    if not isinstance(made_with, dict):
        hint = "trace the prompt again with gearscope"
        raise GraphError("a graph with its birth certificate was expected", found="one without", hint=hint)
    if made_with.get("model") != inputs["model"]:
        raise GraphError(
            f"the graph's own model was expected ({graph.model}, fingerprint {made_with.get('model')})",
            found=f"one with fingerprint {inputs['model']}",
            hint="open the same weights in the same precision, or trace the prompt again",
        )
    same = graph.basis == basis and made_with.get("dictionaries") == inputs.get("dictionaries")
    if not same:
        other = "" if graph.basis != basis else " with other weights"
        raise GraphError(f"the graph's own basis was expected ({graph.basis})", found=f"{basis}{other}")


def token_ids(graph: AttributionGraph) -> list[int]:
    """The ids of a graph's prompt, from its token nodes. Raises GraphError when some are missing."""
    nodes, here = graph.nodes, graph.layout.tokens
    position, ids = nodes.position[here], nodes.index[here]
    order = np.argsort(position, kind="stable")
    if position[order].tolist() != list(range(len(graph.tokens))) or (ids < 0).any():
        found = f"{len(ids)} token nodes for {len(graph.tokens)} tokens"
        raise GraphError("a graph with one token node for every token was expected", found=found)
    return ids[order].tolist()
