"""The same prompts in several bases: how much each replaces and explains, how large its circuits are, and whether they
tell what interventions do.

Each prompt is traced and pruned by default, its most influential features are edited by the plan of a validation, and,
where it is a chain of two facts of the organism's world, it is asked whether the circuit goes through the state. It
knows nothing about how a basis was made.
"""

from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from gearscope.attribution.expand import Progress
from gearscope.evaluation.basis_report import BasisPrompt, BasisReport, BasisRow, Hop
from gearscope.evaluation.hops import Chain, features_of_states, trace_chain
from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureAt
from gearscope.interventions.validation import Compared, Validation, read_validation
from gearscope.opening import ORGANISM
from gearscope.organism.world.two_hops import CITIES, RELATIONS, write_chain
from gearscope.organism.world.vocabulary import spaced
from gearscope.workbench import Workbench

States = Callable[[Workbench], dict[str, set[FeatureAt]]]


def compare_bases(
    benches: Sequence[Workbench],
    prompts: Sequence[str],
    *,
    top: int = 20,
    seed: int = 0,
    states: States = features_of_states,
    progress: Progress | None = None,
) -> BasisReport:
    """The report of some benches of one model. Raises as tracing and validating do.

    `states` finds the features that stand for each state; it is asked where a prompt is a chain.
    """
    rows = [BasisRow(basis=bench.basis, prompts=_row(bench, prompts, top, seed, states, progress)) for bench in benches]
    return BasisReport(model=benches[0].name, top=top, seed=seed, rows=tuple(rows))


def chain_of(prompt: str) -> Chain | None:
    """The chain of two facts that a prompt asks about; None for any other prompt."""
    return _chains().get(" ".join(prompt.split()))


@cache
def _chains() -> dict[str, Chain]:
    chains = (Chain(city, relation) for city in CITIES for relation in RELATIONS)
    return {spaced(write_chain(*chain).prompt): chain for chain in chains}


def _row(
    bench: Workbench, prompts: Sequence[str], top: int, seed: int, states: States, progress: Progress | None
) -> tuple[BasisPrompt, ...]:
    chains = [chain_of(prompt) if bench.name == ORGANISM else None for prompt in prompts]
    standing = states(bench) if any(chains) else {}
    rng = Random(f"bases, {seed}")
    found = []
    for prompt, chain in zip(prompts, chains, strict=True):
        hop = None if chain is None else _hop(bench, chain, standing, rng)
        found.append(_prompt(bench, prompt, hop, top, seed))
        if progress is not None:
            progress(f"prompts in {bench.basis}", len(found))
    return tuple(found)


def _hop(bench: Workbench, chain: Chain, standing: dict[str, set[FeatureAt]], rng: Random) -> Hop:
    traced = trace_chain(bench, chain, standing[chain.state], rng)
    return Hop(
        features=len(traced.state),
        through=traced.through,
        through_random=traced.through_random,
        direct=traced.direct,
    )


def _prompt(bench: Workbench, prompt: str, hop: Hop | None, top: int, seed: int) -> BasisPrompt:
    graph = bench.trace(prompt, heads=False)
    validated = read_validation(bench.validate(graph, top=top, seed=seed)) if graph.layout.features.stop else None
    scores, layout = graph.scores, graph.layout
    assert scores is not None, "a traced graph has scores"
    return BasisPrompt(
        prompt=prompt,
        active=_active(graph),
        features=layout.features.stop,
        errors=layout.errors.stop - layout.errors.start,
        replacement=tuple(scores.replacement.as_published),
        completeness=tuple(scores.completeness.as_published),
        edited=0 if validated is None else len(validated.plan.groups),
        held=_rank(validated, "held")[0],
        held_control=_rank(validated, "held")[1],
        live=_rank(validated, "live")[0],
        live_control=_rank(validated, "live")[1],
        cosine=_cosine(validated),
        hop=hop,
    )


def _active(graph: AttributionGraph) -> int:
    return int(graph.details["active_features"])


def _rank(validated: Validation | None, norms: Compared) -> tuple[float | None, float | None]:
    row = None if validated is None else validated.figures_of(norms)
    return (None, None) if row is None else (row.spearman, row.spearman_control)


def _cosine(validated: Validation | None) -> float | None:
    rows = () if validated is None else validated.streams
    return next((row.cosine for row in rows if row.norms == "live" and row.distance == 1), None)
