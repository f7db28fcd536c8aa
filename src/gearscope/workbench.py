"""The Python door: one object that opens a model and a basis and wires the rooms together.

    bench = Workbench.open()                                   # the bundled organism, its neurons
    bench = Workbench.open(model="name", basis="folder")       # a HuggingFace model, a folder of transcoders
    graph = bench.trace("calc : 36 + 59 =")                    # AttributionGraph: nodes, sparse edges, scores
    graph.adjacency                                            # scipy CSR, [target, source]; graph.layout names ranges
    bench.intervene(graph, ["3/388@6*0"])                       # Intervention: predicted, measured, random control
    bench.attention(graph, 1, 2, query=6, key=3)                # ScoreAttribution: why head 1.2 looks from 6 to 3
    bench.group(graph).supernodes                               # groups of nodes, by evidence

It holds no maths. The organism's bundle is found as package data, so this module does not import the organism's room.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from gearscope.artifact import birth_certificate
from gearscope.attribution.asked import Asked, targets_of
from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.effects import with_token_effects
from gearscope.attribution.expand import Progress
from gearscope.attribution.heads import head_loadings
from gearscope.attribution.many import trace_many
from gearscope.attribution.memory import require_record
from gearscope.attribution.opened import open_errors as opened
from gearscope.attribution.qk import attribute_score
from gearscope.attribution.routing import routing
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.heads import HeadLook, head_looks, with_loadings
from gearscope.graph.prune import prune
from gearscope.graph.qk import Question, ScoreAttribution
from gearscope.graph.routing import to_details
from gearscope.graph.store import read_graph
from gearscope.interventions.basis import open_features
from gearscope.interventions.config import InterventionConfig, ValidationConfig
from gearscope.interventions.edits import NodeEdit, parse_edits
from gearscope.interventions.intervene import intervene
from gearscope.interventions.protocol import register
from gearscope.interventions.provenance import check_belongs, token_ids
from gearscope.interventions.result import Intervention
from gearscope.interventions.scene import Scene
from gearscope.interventions.validate import validate
from gearscope.interventions.validation import Validation, with_validation
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.load import open_model
from gearscope.models.mlp import ExpertWeights, MlpWeights
from gearscope.models.model import Model
from gearscope.opening import ORGANISM, DictionaryBasis, NeuronBasis, check_own, model_source, open_basis
from gearscope.replacement.coded import coded_replacement
from gearscope.replacement.neurons import neuron_replacement
from gearscope.replacement.replacement import Replacement
from gearscope.replacement.sae import sae_replacement
from gearscope.supernodes.config import GroupConfig
from gearscope.supernodes.group import group
from gearscope.supernodes.likeness import Known

_FEW_NEURONS = 120_000
"""Up to so many (layer, token, neuron) triples, every neuron is a feature by default."""
_NEURONS_PER_TOKEN = 64


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
        open_errors: int = 0,
        heads: bool = True,
        progress: Progress | None = None,
    ) -> AttributionGraph:
        """Trace one prompt and return its circuit, pruned unless `everything`; pruned edges are split by `heads`.

        So many of the strongest error nodes are opened into neurons (`open_errors`; `graph/opened.py`).

        `prompt` is text, or token ids used as they are. Without a target, the likely next tokens after `position` (the
        last by default) are explained. Entries below `tolerance` of their row are not stored; `memory` is how many GiB
        may be taken. Raises PromptError (too long for memory, too), TargetError, ConfigError.
        """
        config = AttributionConfig.of(max_features=max_features, coverage=coverage, tolerance=tolerance, memory=memory)
        asked = Asked(target, against, target_feature, target_probe, position)
        tokens = self.model.tokens(prompt, chat=chat)
        require_record(self.model, len(tokens.ids), config)
        with torch.inference_mode():
            record = self.model.record(tokens.ids)
            replacement = self.replace(record)
            chosen = targets_of(asked, self.model, record, replacement, config)
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
            names = self.model.token_names()
            graph = with_token_effects(graph, record, replacement, most=config.effects, names=names)
            graph = replace(graph, details=graph.details | to_details(routing(record, self._mlps)))
            if open_errors:
                graph = opened(graph, record, replacement, self._mlps, chosen, open_errors)
            split = head_loadings(record, replacement, chosen, graph) if heads and not everything else None
        thresholds = {"node_threshold": node_threshold, "edge_threshold": edge_threshold}
        graph = self._certified(graph, {} if everything else thresholds)
        return graph if split is None else with_loadings(graph, split)

    def attention(
        self,
        graph_or_prompt: AttributionGraph | str | Sequence[int],
        layer: int,
        head: int,
        query: int,
        key: int,
        against: int | None = None,
    ) -> ScoreAttribution:
        """Why a head, asking from position `query`, looks at `key` (and not at `against`): its score by pairs of nodes.

        Raises TargetError for a head or position that does not exist, or that the query does not see; GraphError for
        a graph of another model; PromptError, ModelError.
        """
        record, replacement = self._again(graph_or_prompt)
        found = attribute_score(record, replacement, Question(layer, head, query, key, against))
        return found.labelled(graph_or_prompt) if isinstance(graph_or_prompt, AttributionGraph) else found

    def looks(self, graph: AttributionGraph, most: int = 12) -> list[HeadLook]:
        """The heads that carry most of a graph, and where each looks from where it matters. Raises GraphError."""
        record, _ = self._again(graph)
        return head_looks(graph, [block.attn.pattern.numpy(force=True) for block in record.blocks], most)

    def _again(self, traced: AttributionGraph | str | Sequence[int]) -> tuple[FrozenPrompt, Replacement]:
        """A prompt, or a graph's, run and rewritten. Raises GraphError where the graph is another model's."""
        if isinstance(traced, AttributionGraph):
            check_belongs(traced, self._inputs, basis=self.basis)
            traced = token_ids(traced)
        with torch.inference_mode():
            record = self.model.record(self.model.tokens(traced).ids)
            return record, self.replace(record)

    def average(
        self,
        prompts: Sequence[str],
        minus: Sequence[str] = (),
        *,
        everything: bool = False,
        node_threshold: float = 0.8,
        edge_threshold: float = 0.98,
        progress: Progress | None = None,
        **options: Any,
    ) -> AttributionGraph:
        """The mean graph of many prompts, or what it has more than that of `minus`; `graph/spread.py` reads the rest.

        Each prompt is traced as by `trace`, to which `options` go, and the mean is pruned; with `everything` neither
        is. Without a target, all targets of a prompt become one. Raises PromptError and what `trace` raises.
        """
        return trace_many(
            prompts,
            minus,
            tokens=lambda prompt: self.model.tokens(prompt).ids.tolist(),
            trace=partial(
                self.trace,
                everything=everything,
                node_threshold=node_threshold,
                edge_threshold=edge_threshold,
                heads=False,
                **options,
            ),
            one_target=not options.get("target"),
            thresholds=None if everything else (node_threshold, edge_threshold),
            progress=progress,
        )

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
            return intervene(self.scene(graph, known), parsed, config)

    def validate(
        self,
        graph: AttributionGraph,
        *,
        references: Sequence[str | Sequence[int]] = (),
        registered: Callable[[AttributionGraph], None] | None = None,
        progress: Progress | None = None,
        **settings: int,
    ) -> AttributionGraph:
        """The graph with a table of predicted and measured effects of every supernode, beside random controls.

        `settings` are those of `ValidationConfig`; `references` are other prompts that resample ablations take values
        from, instead of the prompt's own words in a random order. `registered` gets the graph with the plan alone,
        before anything is measured. Read the result with `interventions/validation.py`. Raises GraphError, PromptError.
        """
        config = ValidationConfig.of(**settings)
        with torch.inference_mode():
            scene = self.scene(graph)
            plan = register(scene, config, [self.model.tokens(prompt).ids.tolist() for prompt in references])
            if registered is not None:
                registered(with_validation(graph, Validation(plan=plan, registered=plan.fingerprint())))
            return with_validation(graph, validate(scene, plan, progress))

    def group(
        self,
        graph: AttributionGraph,
        *,
        paraphrases: Sequence[str] = (),
        known: Known | None = None,
        again: bool = False,
        progress: Progress | None = None,
        **settings: Any,
    ) -> AttributionGraph:
        """The graph with supernodes proposed by evidence, which is told by `supernodes.result.read_grouping`.

        Groups that it has stay, unless `again`. Stability is measured on `paraphrases`, which are traced and pruned as
        the graph was; `known` is what a library says of its features; `settings` are those of `GroupConfig`. Raises
        GraphError, ConfigError, PromptError.
        """
        config = GroupConfig.of(**settings)
        graph = replace(graph, supernodes=()) if again else graph
        nodes, edges = graph.thresholds or (0.8, 0.98)
        everything = graph.thresholds is None
        with torch.inference_mode():
            scene = self.scene(graph)
            settings = {"node_threshold": nodes, "edge_threshold": edges, "everything": everything, "heads": False}
            others = [self.scene(self.trace(text, **settings)) for text in paraphrases]
            return group(scene, config, known=known, paraphrases=others, progress=progress)

    def scene(self, graph: AttributionGraph, others: Mapping[str, AttributionGraph] | None = None) -> Scene:
        """A graph's prompt, run again, for `find_gates(scene)` and `sweep(scene)` of the room `interventions`.

        Raises GraphError where a graph belongs to another model or basis.
        """
        others = others or {}
        inputs = self._inputs
        notes = [check_belongs(traced, inputs, basis=self.basis) for traced in (graph, *others.values())]
        record, replacement = self._again(graph)
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
        mlps = self._mlps
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

    @property
    def _mlps(self) -> list[MlpWeights | ExpertWeights]:
        return [self.model.neurons(layer) for layer in range(self.model.n_layers)]

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
