"""Why an attention head looks where it does, as plain text: the strongest pairs, what each side brings, how much it is.

Everything from a file is shown with control characters escaped. Knows nothing about terminals.
"""

from collections.abc import Sequence

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.heads import HeadLook
from gearscope.graph.qk import CONSTANTS, EMBEDDING, Marginal, Place, ScoreAttribution
from gearscope.graph.text import clipped, name_among, node_name, quoted

PAIRS, PLACES, SIDE = 12, 6, 6


def describe_score(found: ScoreAttribution, tokens: Sequence[str], width: int = 100) -> str:
    """One score, or the difference of two, on a prompt of these tokens."""
    layer, head, query, key, against = found.question
    said = f"HEAD {layer}.{head}   from {_place(query, tokens)} to {_place(key, tokens)}"
    said += f" (attention {found.weight:.1%})"
    if against is not None:
        said += f", not to {_place(against, tokens)} ({found.weight_against:.1%})"
    capped = "" if found.softcap is None else f", before a soft-cap of {found.softcap:g}"
    what = "score" if against is None else "difference of the scores"
    lines = [
        said,
        f"  {what} {found.score:+.4g}{capped}; all {found.n_pairs} pairs sum to it within {found.error:.1e}",
        f"  the {len(found.pairs)} strongest pairs hold {found.explained:.0%} of it, "
        f"as many at random {found.control:.0%}",
        "",
        "PAIRS   part of the score   what asks  x  what is asked",
        *(
            f"  {value:+9.3f}  {name_among(found.nodes, q, tokens)}  x  {name_among(found.nodes, k, tokens)}"
            for q, k, value in found.pairs[:PAIRS]
        ),
        "",
        f"PLACES   the {len(found.places)} strongest pairs of what layers wrote where hold "
        f"{found.explained_by_places:.0%}",
        *(f"  {value:+9.3f}  {_where(q, tokens)}  x  {_where(k, tokens)}" for q, k, value in found.places[:PLACES]),
        "",
        f"WHAT ASKS, at {_place(query, tokens)}   with the whole other side",
        *_side(found, found.query_side, tokens),
        "",
        f"WHAT IS ASKED, at {_place(key, tokens)}"
        + (f" less {_place(against, tokens)}" if against is not None else ""),
        *_side(found, found.key_side, tokens),
    ]
    return "\n".join(clipped(line, width) for line in lines)


def describe_looks(graph: AttributionGraph, looks: Sequence[HeadLook], width: int = 100) -> str:
    """The heads that carry most of a circuit, and where each looks."""
    lines = ["HEADS   share of the influence; where it looks from where it carries most; its strongest edge"]
    for look in looks:
        where = f"{_place(look.query, graph.tokens)} to {_place(look.key, graph.tokens)} ({look.weight:.0%})"
        edge = f"{node_name(graph, look.edge[1])} -> {node_name(graph, look.edge[0])}"
        lines.append(f"  {f'{look.layer}.{look.head}':>5} {look.share:6.1%}  {where:36}  {edge}")
    return "\n".join(clipped(line, width) for line in lines)


def _side(found: ScoreAttribution, marginals: Sequence[Marginal], tokens: Sequence[str]) -> list[str]:
    return [f"  {value:+9.3f}  {name_among(found.nodes, node, tokens)}" for node, value in marginals[:SIDE]]


def _where(place: Place, tokens: Sequence[str]) -> str:
    if place.layer == CONSTANTS:
        return "constants"
    written = "embedding" if place.layer == EMBEDDING else f"layer {place.layer}"
    return f"{written} at {_place(place.position, tokens)}"


def _place(position: int, tokens: Sequence[str]) -> str:
    return f"{quoted(tokens[position]) if 0 <= position < len(tokens) else ''}@{position}"
