"""Interventions against the graph's own edges, and against a forward pass that shares no code with the package."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from gearscope.errors import ConfigError, DictionaryError, GraphError
from gearscope.interventions.result import Intervention
from gearscope.workbench import Workbench
from tests.interventions.conftest import IDS, PLANS, Traced
from tests.oracles.reference_forward import reference
from tests.oracles.tiny_models import FAMILIES

Open = Callable[[str, str], Traced]
CASES = [(family, "neurons") for family in FAMILIES]
CASES += [("llama", plan) for plan in PLANS] + [("gemma2", plan) for plan in ("skip clt", "behind the post-norm")]
CASES += [("gpt_neox", "skip clt"), ("gpt2", "before the gain"), ("gemma3_text", "skip plt"), ("mixtral", "clt")]


def changes(result: Intervention, column: str) -> dict[str, float]:
    rows = [*result.nodes, *(row for row in result.next_tokens if row.node_id is not None)]
    return {row.node_id: getattr(row, column) for row in rows}


@pytest.mark.parametrize(("family", "basis"), CASES)
def test_direct_effects_are_the_column_of_the_graph(traced: Open, family: str, basis: str) -> None:
    case = traced(family, basis)
    graph, nodes = case.graph, case.graph.nodes
    compared = 0
    for source in case.sources():
        result = case.bench.intervene(graph, [f"{case.feature(source)}*-1"], mode="direct", controls=1)
        column = -2 * graph.adjacency[:, [source]].toarray()[:, 0]
        for name in ("measured", "predicted"):
            found = changes(result, name)
            wanted = {node_id: column[nodes.find(node_id)] for node_id in found}
            assert found == pytest.approx(wanted, rel=1e-6, abs=1e-8), name
        unseen = set(np.array(nodes.ids)[np.flatnonzero(column)]) - set(changes(result, "measured"))
        assert not unseen
        compared += np.count_nonzero(column)
    assert compared > 10


class Reference:
    """The same intervention in a forward pass of its own: patterns and routing held, MLPs held up to a layer."""

    def __init__(self, case: Traced) -> None:
        self.case = case
        self.hf, self.ids = case.bench.model.anatomy.hf, torch.tensor(IDS)
        self.before = reference(self.hf, self.ids)
        self.behind = case.plain is not None and case.plain.plan.write_form == "site"

    def written(self, source: int, delta: float) -> dict[int, Tensor]:
        """What the change of one feature adds, by layer, at its position."""
        nodes, plain = self.case.graph.nodes, self.case.plain
        layer, index, at = int(nodes.layer[source]), int(nodes.index[source]), int(nodes.position[source])
        if plain is not None:
            rows = {target: W[index] for (start, target), W in plain.W_dec.items() if start == layer}
        else:
            some = self.case.bench.model.neurons(layer).rows(torch.tensor([index]))
            routing = self.before.get(f"blocks.{layer}.routing")
            width = self.case.bench.model.neurons(layer).experts[0].n_neurons
            rows = {layer: some.W_out[0] * (1.0 if routing is None else routing[at, index // width])}
        whole = {target: torch.zeros(len(IDS), len(row), dtype=row.dtype) for target, row in rows.items()}
        for target, row in rows.items():
            whole[target][at] = delta * row
        return whole

    def run(self, source: int, delta: float, held: int | None) -> dict[str, Tensor]:
        """Every site after the change; `held` is None for the free mode."""
        site, added = "mlp_out" if self.behind else "mlp_raw", self.written(source, delta)
        change = {f"blocks.{at}.{site}": lambda x, more=more: x + more for at, more in added.items()}
        if held is not None:
            for name, value in self.before.items():
                if name.endswith((".pattern", ".routing")):
                    change[name] = lambda x, value=value: value
            for at in range(held + 1):
                name = f"blocks.{at}.{site}"
                value = self.before[name] + added.get(at, 0.0)
                change[name] = lambda x, value=value: value
        return reference(self.hf, self.ids, change)

    def activations(self, sites: dict[str, Tensor]) -> list[Tensor]:
        """Of all features, by layer."""
        plain, layers = self.case.plain, range(self.case.bench.model.n_layers)
        if plain is None:
            return [sites[f"blocks.{at}.mlp_act"] for at in layers]
        return [plain.activations(at, sites[f"blocks.{at}.{plain.plan.read}"]) for at in layers]


LIVE = [(family, "neurons", "constrained") for family in FAMILIES]
LIVE += [("llama", basis, "constrained") for basis in ("topk", "skip plt")]
LIVE += [(family, "clt", mode) for family in ("gemma2", "mixtral") for mode in ("constrained", "free")]
LIVE += [("gpt_neox", "plt", "free"), ("gemma3_text", "neurons", "free"), ("gpt_oss", "neurons", "free")]


@pytest.mark.parametrize(("family", "basis", "mode"), LIVE)
def test_measurements_are_those_of_an_independent_forward_pass(
    traced: Open, family: str, basis: str, mode: str
) -> None:
    case = traced(family, basis)
    oracle, nodes = Reference(case), case.graph.nodes
    for source in case.sources():
        delta, held = 1.5 - float(nodes.activation[source]), int(nodes.layer[source])
        edit = f"{case.feature(source)}=1.5"
        result = case.bench.intervene(case.graph, [edit], mode=mode, controls=1)
        after = oracle.run(source, delta, None if mode == "free" else held)
        W_U = case.bench.model.anatomy.W_U
        moved = (after["final_in"] - oracle.before["final_in"])[-1] @ (W_U - W_U.mean(0)).T
        tokens = {row.token_id: row.measured for row in result.next_tokens}
        assert tokens == pytest.approx({token: float(moved[token]) for token in tokens}, rel=1e-4, abs=1e-5)
        found = torch.tensor([row.activation_after for row in result.nodes])
        places = [nodes.find(row.node_id) for row in result.nodes]
        acts = oracle.activations(after)
        wanted = torch.stack([acts[nodes.layer[i]][nodes.position[i], nodes.index[i]] for i in places])
        torch.testing.assert_close(found, wanted.to(found), atol=1e-5, rtol=1e-4)
        assert float((after["logits"] - oracle.before["logits"]).abs().max()) > 1e-3


def test_several_edits_are_made_together(traced: Open) -> None:
    """Direct effects add up; a group is its members."""
    case = traced("llama", "neurons")
    first, second = (case.feature(i) for i in case.sources())
    run = case.bench.intervene
    apart = [changes(run(case.graph, [f"{one}*0"], mode="direct", controls=0), "measured") for one in (first, second)]
    both = changes(run(case.graph, [f"{first}*0", f"{second}*0"], mode="direct", controls=0), "measured")
    assert both
    for name, moved in both.items():
        assert moved == pytest.approx(sum(some.get(name, 0.0) for some in apart), abs=1e-9)


def test_generation_keeps_the_edits_at_their_positions(traced: Open) -> None:
    """With the cache, token by token, as by running the whole text again with the same addition for every token."""
    case = traced("llama", "neurons")
    oracle, source = Reference(case), case.sources()[0]
    amount = 40.0
    result = case.bench.intervene(case.graph, [f"{case.feature(source)}={amount}"], mode="free", controls=0, generate=6)
    added = oracle.written(source, amount - float(case.graph.nodes.activation[source]))
    texts = []
    for additions in ({}, added):
        ids = list(IDS)
        for _ in range(6):
            change = {
                f"blocks.{at}.mlp_raw": lambda x, more=more: torch.cat([x[: len(more)] + more, x[len(more) :]])
                for at, more in additions.items()
            }
            ids.append(int(reference(oracle.hf, torch.tensor(ids), change)["logits"][-1].argmax()))
        texts.append(" ".join(map(str, ids[len(IDS) :])))
    assert result.generated is not None
    assert [result.generated.before, result.generated.after] == texts
    assert texts[0] != texts[1]


def test_same_seed_same_control(traced: Open) -> None:
    case = traced("gpt2", "neurons")
    edit = [f"{case.feature(case.sources()[0])}*0"]
    one, same, other = (case.bench.intervene(case.graph, edit, seed=seed) for seed in (3, 3, 4))
    assert one == same
    assert [row.control for row in one.nodes] != [row.control for row in other.nodes]
    assert [row.measured for row in one.nodes] == [row.measured for row in other.nodes]
    assert Intervention.from_json(one.to_json()) == one


def test_an_edit_of_nothing_changes_nothing(traced: Open) -> None:
    case = traced("qwen3", "neurons")
    result = case.bench.intervene(case.graph, [f"{case.feature(case.sources()[0])}*1"])
    assert {row.measured for row in (*result.nodes, *result.next_tokens)} == {0.0}
    assert result.agreement.kl == 0.0
    assert result.agreement.spearman is None
    assert any("change nothing" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"freeze_to": 3}, "from 0 to 2"),
        ({"freeze_to": -1}, "freeze_to"),
        ({"freeze_to": 1, "mode": "free"}, "constrained"),
        ({"hold_norms": True, "mode": "direct"}, "constrained"),
        ({"mode": "frozen"}, "mode"),
        ({"generate": -1}, "generate"),
        ({"controls": -1}, "controls"),
    ],
)
def test_settings_that_cannot_be(traced: Open, settings: dict[str, object], words: str) -> None:
    case = traced("llama", "neurons")
    with pytest.raises(ConfigError, match=words):
        case.bench.intervene(case.graph, [f"{case.feature(0)}*0"], **settings)


def test_edits_that_cannot_be(traced: Open) -> None:
    case = traced("llama", "neurons")
    here = case.feature(case.sources()[0])
    for edit, error, words in (
        ("2/9999@3*0", GraphError, "no such node"),
        (f"{here}=1e300", ConfigError, "precision"),
        (f"{here}=1max", DictionaryError, "maximum"),
        (f"3/{case.graph.nodes.index[case.graph.layout.targets.start]}@6*0", GraphError, "a target"),
    ):
        with pytest.raises(error, match=words):
            case.bench.intervene(case.graph, [edit])


def test_a_graph_of_another_model_or_basis_is_refused(traced: Open) -> None:
    llama, qwen, coded = traced("llama", "neurons"), traced("qwen2", "neurons"), traced("llama", "plt")
    for bench in (qwen.bench, coded.bench, Workbench(llama.bench.model, name="llama", basis="neurons:3")):
        with pytest.raises(GraphError, match="the graph's own"):
            bench.intervene(llama.graph, [f"{llama.feature(0)}*0"])


def test_freezing_further_leaves_less_to_respond(traced: Open) -> None:
    """Held through the last layer with norms held, the constrained mode is the direct one."""
    case = traced("gpt2", "neurons")
    edit, last = [f"{case.feature(case.sources()[0])}*0"], case.bench.model.n_layers - 1
    direct = case.bench.intervene(case.graph, edit, mode="direct", controls=0)
    held = case.bench.intervene(case.graph, edit, freeze_to=last, hold_norms=True, controls=0)
    early = case.bench.intervene(case.graph, edit, hold_norms=True, controls=0)
    assert changes(held, "measured") == pytest.approx(changes(direct, "measured"), abs=1e-9)
    assert held.freeze_to == last
    assert early.freeze_to == 0
    assert max(abs(changes(early, "measured")[k] - v) for k, v in changes(direct, "measured").items()) > 1e-3


def test_tokens_follow_the_position_that_the_graph_explains(traced: Open) -> None:
    """A difference of two tokens is no token: the likely ones are shown, at its position."""
    bench = traced("llama", "neurons").bench
    graph = bench.trace(IDS, target="3", against="5", position=4)
    nodes = graph.nodes
    source = next(i for i in range(graph.layout.features.stop) if nodes.layer[i] == 0)
    place = f"{nodes.layer[source]}/{nodes.index[source]}@{nodes.position[source]}"
    result = bench.intervene(graph, [f"{place}*0"], controls=0)
    assert {row.position for row in result.next_tokens} == {4}
    assert {row.node_id for row in result.next_tokens} == {None}
    most = max(result.next_tokens, key=lambda row: row.probability_before)
    plain = bench.model.run(torch.tensor(IDS)).logits[4].softmax(-1)
    assert (most.token_id, most.probability_before) == (int(plain.argmax()), pytest.approx(float(plain.max())))
