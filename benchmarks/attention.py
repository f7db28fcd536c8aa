"""What head loadings and QK attribution cost and explain on the organism. `python benchmarks/attention.py [--basis B]`

    cost       CPU milliseconds (best of 5): tracing without and with head loadings, one question about a score, whole
    sums       how far parts are from their edges, and pairs from their scores, at the worst
    figure 11  the share of scores in their 20 strongest pairs of nodes, and of places, by layer, beside random pairs:
               heads with half of their attention on one key, in held-out prompts of eight phenomena
    choices    held-out choices among three adjectives: the logit difference by itself, with attention held as on a
               prompt where the words stand elsewhere, made of the strongest pairs, and of shuffled scores

Prints one JSON document.
"""

import argparse
import json
import time
from collections.abc import Callable
from random import Random
from statistics import mean, median
from typing import Any

from gearscope.attribution.qk import attribute_score
from gearscope.evaluation.choices import adjective_choices
from gearscope.evaluation.looking import answer_by_looking, score_shares
from gearscope.graph.heads import KEY, read_loadings, split_error
from gearscope.graph.qk import Question
from gearscope.organism.world.phenomena import draw
from gearscope.workbench import Workbench

PROMPTS = ("calc : 36 + 59 =", "what is 36 + 59 ? i got 90 , am i right ? now 36 + 59 =")
PHENOMENA = ("addition", "two_hops", "exams", "names", "hints", "languages", "rhyme", "topics")
LONGEST, CHOICES, REPEATS = 18, 40, 5


def best(work: Callable[[], Any]) -> float:
    """CPU milliseconds of the fastest run."""
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        found.append(1000 * (time.process_time() - start))
    return round(min(found), 1)


def cost(bench: Workbench, prompt: str) -> dict[str, float]:
    """Tracing without and with loadings, and one question; a graph that was asked brings its model along."""
    graph = bench.trace(prompt)
    with_heads = best(lambda: bench.trace(prompt))
    loadings = read_loadings(graph)
    assert loadings is not None
    without = best(lambda: bench.trace(prompt, heads=False))
    query = len(graph.tokens) - 1
    low = best(lambda: bench.attention(graph, 1, 2, query, query - 1))
    high = best(lambda: bench.attention(graph, 3, 1, query, query - 1))
    return {
        "nodes": len(graph.nodes),
        "edges": graph.adjacency.nnz,
        "without_ms": without,
        "with_ms": with_heads,
        "extra": round(with_heads / without - 1, 3),
        "stored_kb": round(len(json.dumps(graph.details[KEY], separators=(",", ":"))) / 1000, 1),
        "split_error": split_error(graph, loadings),
        "question_layer_1_ms": low,
        "question_layer_3_ms": high,
    }


def shares(bench: Workbench, seed: int = 1, each: int = 3) -> dict[str, Any]:
    """Figure 11, over scores with ten times as many pairs as are named."""
    rng, found, worst = Random(seed), [], 0.0
    for phenomenon in PHENOMENA:
        for _ in range(each):
            prompt = " ".join(draw(phenomenon, "heldout", rng).words[:LONGEST])
            found += [share for share in score_shares(bench, prompt, every=3) if share.control < 0.1]
            record = bench.model.record(bench.model.tokens(prompt).ids)
            replacement = bench.replace(record)
            for layer in range(record.n_layers):
                question = Question(layer, rng.randrange(4), -1, -2)
                worst = max(worst, attribute_score(record, replacement, question).error)
    groups = {"all": found} | {f"layer {i}": [s for s in found if s.layer == i] for i in (1, 2, 3)}
    table = {
        name: {
            "scores": len(some),
            "nodes_mean": round(mean(s.explained for s in some), 3),
            "nodes_median": round(median(s.explained for s in some), 3),
            "places_mean": round(mean(s.by_places for s in some), 3),
            "random_mean": round(mean(s.control for s in some), 3),
        }
        for name, some in groups.items()
    }
    return {"worst_error": worst, **table}


def choices(bench: Workbench) -> dict[str, Any]:
    """Means over the choices, and how often the answer is above its rival."""
    found = []
    for choice in adjective_choices(CHOICES):
        ids = [bench.model.tokens(text).ids.tolist() for text in (choice.before, choice.after)]
        answer, rival = (bench.model.token_id(word) for word in (choice.answer, choice.rival))
        found.append(answer_by_looking(bench, ids[0], ids[1], answer, rival))
    return {
        name: {
            "difference": round(mean(getattr(some, name) for some in found), 2),
            "share": round(mean(getattr(s, name) for s in found) / mean(s.own for s in found), 3),
            "above": round(mean(getattr(some, name) > 0 for some in found), 3),
        }
        for name in ("own", "frozen", "named", "shuffled")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--basis", default="plt")
    bench = Workbench.open(basis=parser.parse_args().basis)
    print(json.dumps({
        "basis": bench.basis,
        "cost": {prompt: cost(bench, prompt) for prompt in PROMPTS},
        "figure 11": shares(bench),
        "choices": choices(bench),
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
