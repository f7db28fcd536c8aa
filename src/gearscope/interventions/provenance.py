"""Whether a graph belongs to the model and basis that are open, and which token ids its prompt had.

Knows nothing about edits.
"""

from collections.abc import Mapping

import numpy as np

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph


def check_belongs(graph: AttributionGraph, inputs: Mapping[str, str], *, basis: str) -> tuple[str, ...]:
    """Compare the fingerprints that a graph was made with to those of what is open (`model`, `dictionaries`).

    Graphs of other programs have none: for those a note is returned. Raises GraphError where fingerprints differ.
    """
    certificate = graph.details.get("certificate")
    made_with = certificate.get("inputs") if isinstance(certificate, dict) else None
    if not isinstance(made_with, dict):
        return ("the graph does not say which weights it was made with: only its features' activity was checked",)
    if made_with.get("model") != inputs["model"]:
        raise GraphError(
            f"the graph's own model was expected ({graph.model}, fingerprint {made_with.get('model')})",
            found=f"one with fingerprint {inputs['model']}",
            hint="open the same weights in the same precision, or trace the prompt again",
        )
    if graph.basis != basis or made_with.get("dictionaries") != inputs.get("dictionaries"):
        other = basis if graph.basis != basis else f"{basis} with other weights"
        raise GraphError(f"the graph's own basis was expected ({graph.basis})", found=other)
    return ()


def token_ids(graph: AttributionGraph) -> list[int]:
    """The ids of a graph's prompt, from its token nodes. Raises GraphError for missing ones, and for many prompts."""
    many = graph.details.get("prompts")
    if isinstance(many, dict):
        hint = "trace one of its prompts"
        raise GraphError("a graph of one prompt was expected", found=f"the mean of {many.get('count')}", hint=hint)
    nodes, here = graph.nodes, graph.layout.tokens
    position, ids = nodes.position[here], nodes.index[here]
    order = np.argsort(position, kind="stable")
    if position[order].tolist() != list(range(len(graph.tokens))) or (ids < 0).any():
        found = f"{len(ids)} token nodes for {len(graph.tokens)} tokens"
        raise GraphError("a graph with one token node for every token was expected", found=found)
    return ids[order].tolist()
