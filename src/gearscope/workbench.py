"""The Python door: one object that opens a model and a basis and wires the rooms together.

    bench = Workbench.open()                                   # the bundled organism, its neurons
    bench = Workbench.open(model="name", basis="folder")       # a HuggingFace model, a folder of transcoders
    graph = bench.trace("calc : 36 + 59 =")                    # AttributionGraph: nodes, sparse edges, scores
    graph.adjacency                                            # scipy CSR, [target, source]; graph.layout names ranges
    bench.intervene(graph, ["3/388@6*0"])                       # Intervention: predicted, measured, random control

It holds no maths. The organism's bundle is found as package data, so this module does not import the organism's room.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gearscope.artifact import birth_certificate
from gearscope.attribution import targets as aim
from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.effects import direct_effects
from gearscope.attribution.expand import Progress
from gearscope.attribution.memory import require_record
from gearscope.attribution.probe import read_probe
from gearscope.attribution.targets import Target
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.hub import PREFIX as HUB
from gearscope.dictionaries.store import fetch_dictionaries, read_dictionaries
from gearscope.errors import ConfigError, ModelError
from gearscope.graph.graph import AttributionGraph, TokenEffects
from gearscope.graph.prune import prune
from gearscope.graph.routing import Chosen, LayerRouting, to_details
from gearscope.graph.store import read_graph
from gearscope.ids import FeatureAt
from gearscope.interventions.basis import open_features
from gearscope.interventions.config import InterventionConfig
from gearscope.interventions.edits import NodeEdit, parse_edits
from gearscope.interventions.intervene import intervene
from gearscope.interventions.provenance import check_belongs, token_ids
from gearscope.interventions.result import Intervention
from gearscope.interventions.scene import Scene
from gearscope.lock import MODEL, locked_part
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.load import open_model
from gearscope.models.mlp import MlpWeights
from gearscope.models.model import Model
from gearscope.replacement.coded import coded_replacement
from gearscope.replacement.neurons import neuron_replacement
from gearscope.replacement.replacement import Replacement
from gearscope.replacement.sae import sae_replacement

ORGANISM = "organism"
OWN_BASES = ("plt", "clt")
"""Dictionaries that come with the organism: transcoders per layer, and a cross-layer transcoder."""
_FEW_NEURONS = 120_000
"""Up to so many (layer, token, neuron) triples, every neuron is a feature by default."""
_NEURONS_PER_TOKEN = 64
_MOST_EFFECTS = 1000
"""Token effects are worked out for so many features of a graph, the most influential."""


class NeuronBasis(NamedTuple):
    """How many neurons per token and layer are features: `per_token`, None for all; or as the model's size suggests."""

    label: str
    per_token: int | None
    by_size: bool


class DictionaryBasis(NamedTuple):
    """Learned features, from a folder or the organism's own."""

    label: str
    dictionaries: DictionarySet


class Workbench:
    """A model, opened and understood, with the basis its MLPs are read in.

    Raises ConfigError, ArtifactError, and DictionaryError when a dictionary does not fit the model.
    """

    def __init__(self, model: Model, *, name: str, basis: str | NeuronBasis | DictionaryBasis = "neurons") -> None:
        self.model = model
        self.name = name
        if isinstance(basis, str):
            check_own(basis, name)
        self._basis = open_basis(basis) if isinstance(basis, str) else basis
        self.opened_basis = basis if isinstance(basis, str) else self._basis.label
        """How the basis was named when it was opened: for dictionaries, their folder."""
        if isinstance(self._basis, DictionaryBasis):
            dictionaries = self._basis.dictionaries
            dictionaries.check_fits(n_layers=model.n_layers, d_model=model.d_model)

    @property
    def basis(self) -> str:
        """What the MLPs are rewritten in, in a word."""
        return self._basis.label

    @classmethod
    def open(
        cls,
        model: str | None = None,
        basis: str = "neurons",
        *,
        device: str = "cpu",
        device_map: str | None = None,
        dtype: str = "float32",
        revision: str | None = None,
    ) -> "Workbench":
        """Open a HuggingFace name or directory, the bundled organism by default, and a basis.

        `organism:twins/NAME` and `organism:versions/NAME` are its twins and versions.
        `basis` is `neurons`, `neurons:all`, `neurons:N` (the N that write most per token and layer), `plt` or `clt`
        (the organism's own dictionaries), a folder of dictionaries in any known format, or `hub:owner/name`.
        `device_map` spreads a model over devices, as in `open_model`. Raises ModelError, ConfigError, ArtifactError,
        DictionaryError.
        """
        name = ORGANISM if model is None else model
        check_own(basis, name)
        opened_basis = open_basis(basis)
        opened = open_model(model_source(model), device=device, device_map=device_map, dtype=dtype, revision=revision)
        bench = cls(opened, name=name, basis=opened_basis)
        bench.opened_basis = basis
        return bench

    def trace(
        self,
        prompt: str | Sequence[int],
        *,
        target: str | None = None,
        against: str | None = None,
        target_feature: str | None = None,
        target_probe: Path | None = None,
        position: int | None = None,
        max_features: int | None = None,
        coverage: float = 0.95,
        tolerance: float | None = None,
        memory: float | None = None,
        chat: bool = False,
        node_threshold: float = 0.8,
        edge_threshold: float = 0.98,
        everything: bool = False,
        progress: Progress | None = None,
    ) -> AttributionGraph:
        """Trace one prompt and return its circuit, pruned unless `everything`.

        `prompt` is text, or token ids used as they are. Without a target, the likely next tokens after `position` (the
        last by default) are explained. Entries below `tolerance` of their row are not stored; `memory` is how many GiB
        may be taken. Raises PromptError (too long for memory, too), TargetError, ConfigError.
        """
        config = AttributionConfig.of(max_features=max_features, coverage=coverage, tolerance=tolerance, memory=memory)
        tokens = self.model.tokens(prompt, chat=chat)
        require_record(self.model, len(tokens.ids), config)
        with torch.inference_mode():
            record = self.model.record(tokens.ids)
            replacement = self.replace(record)
            chosen = self._targets(record, replacement, config, target, against, target_feature, target_probe, position)
            graph = attribute(
                record,
                replacement,
                chosen,
                config,
                tokens=tokens.shown,
                text=tokens.text,
                model=self.name,
                basis=self.basis,
                progress=progress,
            )
            if not everything:
                graph = prune(graph, node_threshold=node_threshold, edge_threshold=edge_threshold)
            graph = self._with_effects(graph, record, replacement, config.effects)
            graph = replace(graph, details=graph.details | to_details(self._routing(record)))
        thresholds = {"node_threshold": node_threshold, "edge_threshold": edge_threshold}
        return self._certified(graph, {} if everything else thresholds)

    def intervene(
        self,
        graph: AttributionGraph,
        edits: Sequence[str | NodeEdit],
        *,
        mode: str = "constrained",
        freeze_to: int | None = None,
        hold_norms: bool = False,
        generate: int = 0,
        seed: int = 0,
        controls: int = 8,
        others: Mapping[str, AttributionGraph] | None = None,
    ) -> Intervention:
        """Edit features of a traced prompt: what the graph predicts, what the model does, what random edits do.

        `edits` are written as in `interventions/edits.py`; `others` are graphs that swaps name, which are files
        otherwise. `mode` is constrained, direct or free. With `generate`, so many tokens are written without and with
        the edits. Raises GraphError, ConfigError, DictionaryError.
        """
        config = InterventionConfig.of(
            mode=mode,
            freeze_to=freeze_to,
            hold_norms=hold_norms,
            generate=generate,
            seed=seed,
            controls=controls,
        )
        parsed, known = parse_edits(edits), dict(others or {})
        named = [edit.other_graph for edit in parsed if edit.other_graph is not None]
        known |= {name: read_graph(Path(name)) for name in named if name not in known}
        with torch.inference_mode():
            return intervene(self._scene(graph, known), parsed, config)

    def _scene(self, graph: AttributionGraph, others: Mapping[str, AttributionGraph]) -> Scene:
        """A graph's prompt, run again. Raises GraphError where a graph belongs to another model or basis."""
        inputs = self._inputs
        notes = [check_belongs(traced, inputs, basis=self.basis) for traced in (graph, *others.values())]
        record = self.model.record(torch.tensor(token_ids(graph)))
        replacement = self.replace(record)
        dictionaries = self._basis.dictionaries if isinstance(self._basis, DictionaryBasis) else None
        return Scene(
            model=self.model,
            prompt=record,
            replacement=replacement,
            basis=open_features(record, replacement, dictionaries),
            graph=graph,
            others=others,
            notes=tuple(dict.fromkeys(note for some in notes for note in some)),
        )

    def replace(self, record: FrozenPrompt) -> Replacement:
        """The prompt's local replacement model in this bench's basis."""
        mlps = [self.model.neurons(layer) for layer in range(self.model.n_layers)]
        if isinstance(self._basis, DictionaryBasis):
            dictionaries = self._basis.dictionaries
            if dictionaries.kind == "sae":
                return sae_replacement(record, dictionaries, mlps)
            return coded_replacement(record, dictionaries)
        n_features = sum(mlp.n_neurons for mlp in mlps) * record.n_positions
        most = self._basis.per_token
        if self._basis.by_size and n_features > _FEW_NEURONS:
            most = _NEURONS_PER_TOKEN
        return neuron_replacement(record, mlps, most)

    def _routing(self, record: FrozenPrompt) -> list[LayerRouting]:
        """The routers' choices on this prompt, strongest expert first."""
        layers = []
        for layer, block in enumerate(record.blocks):
            mlp = self.model.neurons(layer)
            if block.routing is None or isinstance(mlp, MlpWeights):
                continue
            rows = [[Chosen(i, weight) for i, weight in enumerate(row) if weight] for row in block.routing.tolist()]
            chosen = tuple(tuple(sorted(row, key=lambda c: -c.weight)) for row in rows)
            layers.append(LayerRouting(layer, len(mlp.experts), mlp.width, chosen))
        return layers

    def _targets(
        self,
        record: FrozenPrompt,
        replacement: Replacement,
        config: AttributionConfig,
        token: str | None,
        against: str | None,
        feature: str | None,
        probe: Path | None,
        position: int | None,
    ) -> list[Target]:
        kinds = {"target": token, "target_feature": feature, "target_probe": probe}
        given = [name for name, value in kinds.items() if value is not None]
        if len(given) > 1:
            raise ConfigError("at most one kind of target was expected", found=" and ".join(given))
        if against is not None and token is None:
            raise ConfigError("a target token to set against another was expected", found="none", hint="add --target")
        if feature is not None and position is not None:
            raise ConfigError("a feature target names its own position", found="another position beside it")
        names, at = self.model.token_names().__getitem__, -1 if position is None else position
        if feature is not None:
            return aim.feature_target(replacement, FeatureAt.parse(feature))
        if probe is not None:
            return self._probe(record, probe, at)
        if token is None:
            most, share = config.max_targets, config.target_probability
            return aim.salient_logits(record, position=at, probability=share, most=most, names=names)
        token_id = self.model.token_id(token)
        if against is not None:
            return aim.logit_difference(record, token_id, self.model.token_id(against), position=at, names=names)
        return aim.logits(record, [token_id], position=at, names=names)

    def _probe(self, record: FrozenPrompt, path: Path, position: int) -> list[Target]:
        direction, site = read_probe(path)
        direction = direction.to(record.token_embed)
        reading = self.model.run(record.token_ids, read=[site]).sites[str(site)]
        return aim.probe_target(record, direction, site, reading[position], position=position)

    def _with_effects(
        self, graph: AttributionGraph, record: FrozenPrompt, replacement: Replacement, most: int
    ) -> AttributionGraph:
        """Add the tokens that the strongest features of the graph promote and suppress."""
        assert graph.influence is not None
        nodes, features = graph.nodes, graph.layout.features
        rows = sorted(np.argsort(-graph.influence[features])[:_MOST_EFFECTS].tolist())
        places = (FeatureAt(int(nodes.layer[i]), int(nodes.index[i]), int(nodes.position[i])) for i in rows)
        chosen = [replacement.active.find(place) for place in places]
        if not chosen or not most:
            return graph
        found = direct_effects(record, replacement, torch.tensor(chosen), min(most, record.W_U.shape[0]))
        names = self.model.token_names()

        def side(ids: Tensor, values: Tensor) -> tuple[tuple[str, float], ...]:
            return tuple((names[token], value) for token, value in zip(ids.tolist(), values.tolist(), strict=True))

        effects = {
            nodes.ids[row]: TokenEffects(
                side(found.promoted[i], found.promoted_by[i]),
                side(found.suppressed[i], found.suppressed_by[i]),
            )
            for i, row in enumerate(rows)
        }
        return replace(graph, effects=effects)

    def _certified(self, graph: AttributionGraph, thresholds: dict[str, float]) -> AttributionGraph:
        """Add the birth certificate, and how the model and the basis were named, so that they can be opened again."""
        inputs = self._inputs | {"prompt": hashlib.sha256(graph.prompt.encode()).hexdigest()[:16]}
        opened = {"model": self.name, "basis": self.opened_basis}
        born = birth_certificate("graph", config={**graph.details, **thresholds}, inputs=inputs)
        return replace(graph, details=graph.details | thresholds | {"certificate": born, "opened": opened})

    @cached_property
    def _inputs(self) -> dict[str, str]:
        """Fingerprints of what graphs of this bench depend on."""
        inputs = {"model": self.model.fingerprint}
        if self.model.revision is not None:
            inputs["revision"] = self.model.revision
        if isinstance(self._basis, DictionaryBasis):
            inputs["dictionaries"] = self._basis.dictionaries.fingerprint()
        return inputs


def organism_folder(part: str = MODEL) -> Path:
    """The folder of a part of the bundled organism: its model, `plt`, `clt`, `twins/NAME` or `versions/NAME`.

    Raises ModelError when there is no bundle, and ArtifactError when the part is not the one that belongs to it.
    """
    folder = Path(str(files("gearscope") / "organism" / "bundle"))
    if not folder.is_dir():
        hint = "install gearscope with its package data"
        raise ModelError(f"the bundled organism was expected at {folder}", found="no such folder", hint=hint)
    return locked_part(folder, part)


def model_source(model: str | None) -> str:
    """What `open_model` opens for a model as users name it: None is the organism, `organism:PART` one of its."""
    if model is None:
        return str(organism_folder())
    name, colon, part = model.partition(":")
    return str(organism_folder(part)) if colon and name == ORGANISM else model


def check_own(basis: str, model: str) -> None:
    """Raise ConfigError when `basis` is one of the organism's own, and the model is another one."""
    if basis in OWN_BASES and model != ORGANISM:
        hint = "leave out --model, or give a folder of dictionaries that were trained for it"
        raise ConfigError(f"basis {basis} belongs to the bundled organism", found=f"the model {model}", hint=hint)


def open_basis(basis: str) -> NeuronBasis | DictionaryBasis:
    """A basis by its name, folder or name on the hub. Raises ConfigError, ArtifactError, DictionaryError."""
    kind, _, most = basis.partition(":")
    if kind == "neurons" and (most in ("", "all") or (most.isdecimal() and int(most) > 0)):
        return NeuronBasis(basis, int(most) if most.isdecimal() else None, by_size=not most)
    folder = basis_folder(basis) if kind != "neurons" else None
    if folder is None:
        expected = (
            "a basis was expected (neurons, neurons:all, neurons:N, plt, clt, a folder of dictionaries, or hub:NAME)"
        )
        raise ConfigError(expected, found=repr(basis))
    dictionaries = read_dictionaries(folder)
    name = basis.rpartition("/")[2] if basis.startswith(HUB) else folder.resolve().name
    return DictionaryBasis(basis if basis in OWN_BASES else f"{dictionaries.kind}:{name}", dictionaries)


def basis_folder(basis: str) -> Path | None:
    """The folder of `plt`, `clt`, `hub:NAME` (downloaded) or of this path; None without. Raises as those do."""
    if basis in OWN_BASES:
        return organism_folder(basis)
    if basis.startswith(HUB):
        return fetch_dictionaries(basis)
    folder = Path(basis)
    return folder if basis and folder.exists() else None
