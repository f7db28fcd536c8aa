"""The recipe of a search for gates: what of a circuit holds another answer down, one ablation away.

1. predict    the signed influence of each feature's ablation on every token (response.py)
2. propose    at each position, for the tokens whose lead over the answer the position's strongest inhibitors would
              raise most, and for the likeliest ones, these inhibitors: the strongest one, two, … up to `most`; and
              every supernode
3. verify     all of them held at 0 in the running model (knocked_out.py), everything else live
4. rank       of each place and released token the smallest gate that flips the answer, or else the one that raises
              the token most; flips first, then by the token's probability
5. control    random other active features of the same layers and positions, as many

Nothing is compared with another prompt. Knows nothing about files.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.errors import ConfigError, GraphError
from gearscope.graph.nodes import NodeKind
from gearscope.ids import FeatureAt
from gearscope.interventions.changes import Change
from gearscope.interventions.compare import target_tokens
from gearscope.interventions.gate_report import Gate, GateReport
from gearscope.interventions.knocked_out import knock_out
from gearscope.interventions.response import respond
from gearscope.interventions.scene import Scene
from gearscope.interventions.watch import Watched, watch
from gearscope.interventions.writing import written

_TOKENS = 6
"""Tokens that are asked for at each position, beside …"""
_LIKELY = 4
"""… so many that are likely already."""
_FEATURES = 512
"""Features that are asked."""
_ROWS = 128
"""Rows of one batch; without effect on results but for the last bits."""
_DRAWS = 5


class _Proposal(NamedTuple):
    """Features to ablate, as numbers into those asked, and what for."""

    members: tuple[int, ...]
    token: int
    predicted: float
    supernode: str | None


class _Asked(NamedTuple):
    """The features that are asked, and what the ablation of each is predicted to add to every logit."""

    features: list[FeatureAt]
    moves: Float[Tensor, "K V"]


def find_gates(scene: Scene, *, most: int = 12, seed: int = 0, keep: int = 20) -> GateReport:
    """The `keep` best gates of at most `most` features. Raises GraphError for a graph without features or tokens."""
    if most < 1 or keep < 1:
        raise ConfigError(
            "gates of one feature or more, and one gate or more, were expected", found=f"{most} and {keep}"
        )
    with torch.inference_mode():
        watched = watch(scene.graph, scene.replacement.active)
        tokens, position = target_tokens(scene.graph, scene.prompt.n_layers)
        if not len(watched.node) or not tokens:
            found = "none" if tokens else "a graph that explains no token"
            raise GraphError("a graph with features, of a token, was expected", found=found)
        before = scene.prompt.logits[position].double().softmax(-1)
        answer = int(before.argmax())
        asked = _ask(scene, watched, position)
        proposals = _propose(scene, asked, answer, position, most)
        after = _ablate(scene, asked.features, [p.members for p in proposals], position)
        ranked = _rank(proposals, after, answer, asked.features)[:keep]
        gates = [_gate(scene, asked, proposals[i], int(token), before, after[i], answer) for i, token in ranked]
        gates = _controlled(scene, gates, answer, position, seed)
    return GateReport(
        model=scene.graph.model,
        basis=scene.graph.basis,
        prompt=scene.graph.prompt,
        tokens=scene.graph.tokens,
        answer=scene.model.token_names()[answer],
        answer_before=float(before[answer]),
        tried=len(proposals),
        draws=_DRAWS,
        seed=seed,
        gates=tuple(gates),
    )


def _ask(scene: Scene, watched: Watched, position: int) -> _Asked:
    """What the ablation of each feature is predicted to do to the logits at the answer's position.

    Asked are the graph's features by influence, then the prompt's other active features by what they write.
    """
    graph, active, prompt = scene.graph, scene.replacement.active, scene.prompt
    influence = graph.influence if graph.influence is not None else graph.node_influence()
    rank = _written_norms(scene)
    rank[watched.active] = rank.max() + 1 + torch.from_numpy(influence[watched.node.numpy()].copy()).to(rank)
    numbers = rank.argsort(descending=True, stable=True)[:_FEATURES]
    features = active.places(numbers)
    finals = []
    for feature, number in zip(features, numbers.tolist(), strict=True):
        change = Change(feature, None, float(active.activation[number]), 0.0)
        added, held = written(prompt, scene.basis, [change]), range(feature.layer + 1)
        finals.append(respond(prompt, scene.replacement, added, held).final_in[position])
    return _Asked(features, torch.stack(finals) @ prompt.W_U.T)


def _written_norms(scene: Scene) -> Float[Tensor, " K"]:
    """Norm of what each active feature writes, over all layers that it writes to."""
    active = scene.replacement.active
    squares = torch.zeros_like(active.activation)
    for layer in range(scene.prompt.n_layers):
        for position in range(scene.prompt.n_positions):
            for write in scene.replacement.writes(layer, position):
                squares[write.columns] += (write.activation[:, None] * write.vectors).square().sum(1)
    return squares[active.column].sqrt()


def _propose(scene: Scene, asked: _Asked, answer: int, position: int, most: int) -> list[_Proposal]:
    """Inhibitors by position, and supernodes."""
    prompt = scene.prompt
    logits = prompt.final_in[position] @ prompt.W_U.T
    logits = logits if prompt.b_U is None else logits + prompt.b_U
    behind = logits[answer] - logits
    released = asked.moves - asked.moves[:, [answer]]
    released[:, answer] = -torch.inf
    found: dict[tuple[int, ...], _Proposal] = {}
    places = sorted({feature.position for feature in asked.features})
    likely = logits.topk(min(1 + _LIKELY, len(logits))).indices.tolist()
    for place in places:
        rows = torch.tensor([i for i, feature in enumerate(asked.features) if feature.position == place])
        strongest = released[rows].topk(min(most, len(rows)), dim=0)
        lead = strongest.values.clamp(min=0).cumsum(0) - behind
        strong = lead[-1].topk(min(_TOKENS, lead.shape[1])).indices.tolist()
        for token in dict.fromkeys([*strong, *(token for token in likely if token != answer)]):
            members = rows[strongest.indices[:, token]].tolist()
            n_inhibitors = int((strongest.values[:, token] > 0).sum())
            for size in range(1, n_inhibitors + 1):
                chosen = tuple(members[:size])
                found.setdefault(tuple(sorted(chosen)), _Proposal(chosen, token, float(lead[size - 1, token]), None))
    return [*found.values(), *_supernodes(scene, asked, released, behind)]


def _supernodes(
    scene: Scene, asked: _Asked, released: Float[Tensor, "K V"], behind: Float[Tensor, " V"]
) -> list[_Proposal]:
    number, nodes = {feature: i for i, feature in enumerate(asked.features)}, scene.graph.nodes
    found = []
    for group in scene.graph.supernodes:
        at = [nodes.find(name) for name in group.ids]
        places = [nodes.place(i) for i in at if nodes.kind[i] == NodeKind.FEATURE]
        members = [number[place] for place in dict.fromkeys(places) if place in number]
        if members:
            lead = released[members].sum(0) - behind
            token = int(lead.argmax())
            found.append(_Proposal(tuple(members), token, float(lead[token]), group.name))
    return found


def _ablate(
    scene: Scene, features: Sequence[FeatureAt], groups: Sequence[Sequence[int]], position: int
) -> Float[Tensor, "G V"]:
    """Next-token probabilities with each group held at 0."""
    found = []
    for start in range(0, len(groups), _ROWS):
        some = groups[start : start + _ROWS]
        out = torch.zeros(len(some), len(features), dtype=torch.bool)
        for row, members in enumerate(some):
            out[row, list(members)] = True
        found.append(_probabilities(scene, features, out, position))
    return torch.cat(found)


def _probabilities(
    scene: Scene, features: Sequence[FeatureAt], out: Bool[Tensor, "B K"], position: int
) -> Float[Tensor, "B V"]:
    ids = scene.prompt.token_ids.expand(len(out), -1)
    return scene.model.run(ids, edits=knock_out(scene, features, out)).logits[:, position].double().softmax(-1)


def _rank(
    proposals: Sequence[_Proposal], after: Float[Tensor, "G V"], answer: int, features: Sequence[FeatureAt]
) -> list[tuple[int, int]]:
    """(proposal, released token), the best of each place and token: flips before others."""
    now: Int[Tensor, " G"] = after.argmax(-1)
    best: dict[tuple[object, int], tuple[tuple[bool, float, float], int]] = {}
    for i, proposal in enumerate(proposals):
        flips = int(now[i]) != answer
        token = int(now[i]) if flips else proposal.token
        place = proposal.supernode or tuple(sorted({features[i].position for i in proposal.members}))
        # a smaller gate that flips is better than a larger one that flips more surely
        score = (flips, -float(len(proposal.members)) if flips else 0.0, float(after[i, token]))
        if (place, token) not in best or score > best[place, token][0]:
            best[place, token] = (score, i)
    ranked = sorted(best.items(), key=lambda item: (not item[1][0][0], -item[1][0][2]))
    return [(i, token) for (_, token), (_, i) in ranked]


def _gate(
    scene: Scene,
    asked: _Asked,
    proposal: _Proposal,
    token: int,
    before: Float[Tensor, " V"],
    after: Float[Tensor, " V"],
    answer: int,
) -> Gate:
    features = [asked.features[i] for i in proposal.members]
    return Gate(
        features=tuple(map(str, features)),
        supernode=proposal.supernode,
        positions=tuple(sorted({feature.position for feature in features})),
        released=scene.model.token_names()[token],
        released_id=token,
        before=float(before[token]),
        after=float(after[token]),
        flips=int(after.argmax()) != answer,
        answer_after=float(after[answer]),
        predicted=proposal.predicted,
        control=0.0,
        control_flips=0.0,
    )


def _controlled(scene: Scene, gates: Sequence[Gate], answer: int, position: int, seed: int) -> list[Gate]:
    """The gates with their controls."""
    generator, active = torch.Generator().manual_seed(seed), scene.replacement.active
    found = []
    for gate in gates:
        members = [FeatureAt.parse(name) for name in gate.features]
        draws = [_others(scene, members, generator) for _ in range(_DRAWS)]
        used = sorted({one for draw in draws for one in draw})
        features = active.places(used)
        out = torch.tensor([[one in draw for one in used] for draw in draws], dtype=torch.bool)
        if not used:
            found.append(gate)
            continue
        after = _probabilities(scene, features, out, position)
        flips = (after.argmax(-1) != answer).double().mean()
        changes = {"control": float(after[:, gate.released_id].mean()), "control_flips": float(flips)}
        found.append(gate.model_copy(update=changes))
    return found


def _others(scene: Scene, members: Sequence[FeatureAt], generator: torch.Generator) -> list[int]:
    """As many random other active features of the members' layers and positions, as far as there are so many."""
    active = scene.replacement.active
    found: list[int] = []
    for layer, place in sorted({(feature.layer, feature.position) for feature in members}):
        here = active.at(layer, place)
        mine = {feature.index for feature in members if (feature.layer, feature.position) == (layer, place)}
        others = [i for i in range(here.start, here.stop) if int(active.index[i]) not in mine]
        order = torch.randperm(len(others), generator=generator).tolist()
        found += [others[i] for i in order[: len(mine)]]
    return found
