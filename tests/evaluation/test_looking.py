"""Answers that depend on where heads look are explained by pairs of nodes, and by nothing else.

On models written by hand the deciding pair is known: `aunt` with the `aunt` before `sally`, and the neuron that knows
the colour of `sky` with the token of that colour. On the organism the choice is among adjectives.
"""

import pytest

from gearscope.evaluation.choices import adjective_choices
from gearscope.evaluation.looking import answer_by_looking, score_shares
from gearscope.models.model import wrap
from gearscope.workbench import Workbench
from tests.oracles.compiled_looking import Looker, N, asked, asker, compile_looker

FIRST, SECOND = (0, 1), (2, 3)


def prompts(looker: Looker) -> tuple[list[int], list[int], int, int]:
    """Two prompts that ask for the first and for the second pair; the second one's answer, and the first one's."""
    if looker.program == "induction":
        asks, answers = (FIRST[0], SECOND[0]), (asked(SECOND[1]), asked(FIRST[1]))
    else:
        asks, answers = (
            tuple(looker.colour.index(i) for i in (FIRST[1], SECOND[1])),
            (asker(SECOND[0]), asker(FIRST[0])),
        )
    before, after = (looker.prompt(FIRST, SECOND, ask) for ask in asks)
    return before, after, *answers


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("program", ["induction", "choice"])
def test_induction_and_choice_are_explained_only_with_pairs(program: str, seed: int) -> None:
    looker = compile_looker(program, seed)
    bench = Workbench(wrap(looker.model), name="compiled")
    before, after, answer, rival = prompts(looker)
    found = answer_by_looking(bench, before, after, answer, rival)
    assert found.own > 10
    assert found.share("frozen") == pytest.approx(-1.0, abs=0.01), "frozen attention gives the first prompt's answer"
    assert found.share("named") == pytest.approx(1.0, abs=0.01)
    assert abs(found.share("shuffled")) < 0.5


@pytest.mark.parametrize("program", ["induction", "choice"])
def test_the_pair_that_decides_is_the_compiled_one(program: str) -> None:
    looker = compile_looker(program, 0)
    bench = Workbench(wrap(looker.model), name="compiled")
    _, after, *_ = prompts(looker)
    found = bench.attention(after, 1, 0, query=5, key=4, against=2)
    query, key, value = found.pairs[0]
    names = found.nodes.ids[query], found.nodes.ids[key]
    if program == "induction":
        assert names == (f"E_{asker(SECOND[0])}_5", f"E_{asker(SECOND[0])}_3"), "by way of the head that copies"
    else:
        assert names == (f"0_{looker.colour.index(SECOND[1])}_5", f"E_{asked(SECOND[1])}_4"), "the neuron that knows"
    assert value == pytest.approx(found.score, rel=1e-6)
    assert found.explained == pytest.approx(1.0)


def test_frozen_attention_does_not_say_why(bench: Workbench) -> None:
    """The graph of the first prompt: the answer's own edges all come through the head, none from what asks."""
    looker = compile_looker("induction", 0)
    before, *_ = prompts(looker)
    graph = Workbench(wrap(looker.model), name="compiled").trace(before, everything=True)
    target = graph.layout.targets.start
    assert graph.adjacency[target, graph.find(f"E_{asked(FIRST[1])}_2")] > 10
    assert abs(graph.adjacency[target, graph.find(f"E_{asker(FIRST[0])}_5")]) < 1e-6
    assert abs(graph.adjacency[target, graph.find(f"E_{asker(FIRST[0])}_1")]) < 1e-6
    assert N == 4


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench.open(basis="plt")


def test_the_organism_chooses_by_looking(bench: Workbench) -> None:
    choices = adjective_choices(2, seed=1)
    assert all(choice.answer in choice.before.split() for choice in choices)
    totals = dict.fromkeys(("own", "frozen", "named", "shuffled"), 0.0)
    for choice in choices:
        ids = [bench.model.tokens(text).ids.tolist() for text in (choice.before, choice.after)]
        named = [bench.model.token_id(word) for word in (choice.answer, choice.rival)]
        found = answer_by_looking(bench, *ids, *named)
        assert found.own > 0, "the organism knows the order"
        totals = {name: total + getattr(found, name) for name, total in totals.items()}
    assert totals["named"] > 0.9 * totals["own"]
    assert totals["frozen"] < 0.2 * totals["own"]
    assert totals["shuffled"] < 0.7 * totals["own"]


def test_few_pairs_hold_much_of_a_score_and_random_ones_little(bench: Workbench) -> None:
    shares = score_shares(bench, "calc : 36 + 59 =")
    assert shares
    assert {share.layer for share in shares} <= {1, 2, 3}
    many = [share for share in shares if share.control < 0.1]
    assert len(many) > 5
    assert sum(share.explained for share in many) > 5 * sum(share.control for share in many)
