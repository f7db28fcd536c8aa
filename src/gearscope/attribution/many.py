"""The recipe for many prompts: their graphs one by one, added up in columns that mean the same, and averaged.

1. align     the tokens of all prompts into columns (graph/align.py)
2. trace     each prompt by itself, and add its graph up (graph/summing.py); no graph is kept
3. average   the mean, or the difference of the means of two sets (graph/average.py), pruned

It knows nothing about how one prompt is traced.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gearscope.errors import PromptError
from gearscope.graph.align import align
from gearscope.graph.average import average
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.prune import prune
from gearscope.graph.spread import KEY, spread_table
from gearscope.graph.summing import GraphSum

_SHOWN = 5
"""Prompts of each side that are named in the graph."""


def trace_many(
    prompts: Sequence[str],
    against: Sequence[str],
    *,
    tokens: Callable[[str], Sequence[int]],
    trace: Callable[[str], AttributionGraph],
    one_target: bool,
    thresholds: tuple[float, float] | None,
    progress: Callable[[str, int], None] | None = None,
) -> AttributionGraph:
    """The mean graph of prompts, less that of `against` where there are any; shares and errors in its details.

    `tokens` and `trace` are of one prompt. `thresholds` prune the result, None does not. Raises PromptError, and what
    `trace` raises.
    """
    if not prompts:
        raise PromptError("at least one prompt was expected", found="none")
    every = [*prompts, *against]
    alignment = align([tokens(prompt) for prompt in every])
    sides = [GraphSum(one_target=one_target) for _ in range(1 + bool(against))]
    graph = None
    for number, (prompt, columns) in enumerate(zip(every, alignment.columns, strict=True)):
        graph = trace(prompt)
        sides[number >= len(prompts)].add(graph, columns)
        if progress is not None:
            progress("prompts", number + 1)
    assert graph is not None
    title = f"mean of {len(prompts)} prompts" + (f" less mean of {len(against)}" if against else "")
    found = average(sides[0], sides[1] if against else None, title=f"{title}: {prompts[0]} …", like=graph)
    kept = found.graph if thresholds is None else prune(found.graph, *thresholds)
    more = {"count": len(prompts), "prompts": list(prompts[:_SHOWN])}
    more |= {"against": len(against), "against_prompts": list(against[:_SHOWN])} if against else {}
    details = kept.details | {KEY: spread_table(found, kept, more)}
    return replace(kept, details=details)
