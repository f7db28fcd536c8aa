"""The recipe: a graph and edits in, an `Intervention` out.

1. resolve    edits become changes of single features (changes.py)
2. write      what they add to the MLP outputs, and what each random control adds (writing.py)
3. predict    the graph's linear response (response.py)
4. measure    the unedited run, the edited one and the controls, one batch in the mode asked for (measure.py)
5. compare    rows per watched node and token, and how well prediction and measurement agree (compare.py)

The unedited run of the batch is held as the edited one is, so that rows differ by the edits alone. It knows nothing
about files.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.collection import SAE_PLACES
from gearscope.errors import ConfigError
from gearscope.interventions.basis import Basis
from gearscope.interventions.changes import Change, Situation, resolve
from gearscope.interventions.compare import agreement, node_rows, token_rows
from gearscope.interventions.config import InterventionConfig
from gearscope.interventions.edits import NodeEdit
from gearscope.interventions.measure import additions, measure
from gearscope.interventions.response import respond
from gearscope.interventions.result import EditedFeature, Generated, Intervention
from gearscope.interventions.scene import Scene
from gearscope.interventions.watch import Watched, levels, watch
from gearscope.interventions.writing import control_changes, norm, vectors, written


def intervene(
    scene: Scene,
    edits: Sequence[NodeEdit],
    config: InterventionConfig,
) -> Intervention:
    """Edit the prompt's features and compare what was predicted with what happens.

    Raises GraphError, ConfigError and DictionaryError for edits that cannot be.
    """
    _check_mode(scene, config)
    with torch.inference_mode():
        active = scene.replacement.active
        watched = watch(scene.graph, active)
        changes, warnings = resolve(edits, _situation(scene))
        held = held_layers(config, changes, scene.prompt.n_layers, warnings)
        draws = _draw_controls(scene, changes, config, warnings)
        wholes = torch.stack([written(scene.prompt, scene.basis, some) for some in ([], changes, *draws)])
        _refuse_overflow(wholes.square())
        response = respond(scene.prompt, scene.replacement, wholes[1], held)
        measured = measure(
            scene.model, scene.prompt, scene.replacement, wholes, config=config, held=held, site=scene.basis.reads
        )
        watched = _reachable(watched, changes)
        found = levels(watched, scene.basis, scene.replacement, measured, frozen_reading=config.mode == "direct")
        _refuse_overflow(found.value, measured.logits, measured.final_in, response.value, response.final_in)
        nodes = node_rows(scene, watched, found, response)
        next_tokens, logits = token_rows(scene, measured, response)
        text = _write(scene, wholes[1], config, warnings) if config.generate else None
    edited = tuple(_edited(scene.basis, change) for change in changes)
    warnings += [
        f"{row.name} writes nothing on this prompt, where its expert was not chosen"
        for row in edited
        if row.after != row.before and row.written_norm == 0
    ]
    return Intervention(
        model=scene.graph.model,
        basis=scene.graph.basis,
        prompt=scene.graph.prompt,
        tokens=scene.graph.tokens,
        edits=tuple(str(edit) for edit in edits),
        mode=config.mode,
        hold_norms=config.hold_norms,
        freeze_to=held[-1] if held else None,
        seed=config.seed,
        controls=config.controls,
        edited=edited,
        nodes=nodes,
        next_tokens=next_tokens,
        agreement=agreement(found, measured, logits, nodes, next_tokens),
        generated=text,
        warnings=(*scene.notes, *warnings),
    )


def _check_mode(scene: Scene, config: InterventionConfig) -> None:
    """With MLPs held at their outputs, nothing between two SAEs answers as the graph says."""
    if config.mode == "direct" and scene.basis.reads in SAE_PLACES:
        expected = "the mode constrained or free was expected: between SAEs stand MLPs, which direct holds"
        raise ConfigError(expected, found="direct")


def _situation(scene: Scene) -> Situation:
    return Situation(graph=scene.graph, others=scene.others, activation=scene.activation, maximum=scene.basis.maximum)


def _draw_controls(
    scene: Scene, changes: Sequence[Change], config: InterventionConfig, warnings: list[str]
) -> list[list[Change]]:
    generator = torch.Generator().manual_seed(config.seed)
    active = scene.replacement.active
    draws = [control_changes(scene.basis, active, changes, generator) for _ in range(config.controls)]
    if any(len(draw) < len(changes) for draw in draws):
        warnings.append("the control is weaker than the edits: their layers have too few other features that write")
    return draws


def held_layers(config: InterventionConfig, changes: Sequence[Change], n_layers: int, warnings: list[str]) -> range:
    """The layers whose MLP outputs are held. Raises ConfigError for a layer that does not exist or does not matter."""
    if config.mode != "constrained" and (config.freeze_to is not None or config.hold_norms):
        expected = "a layer to freeze to, or norms to hold, only with the mode 'constrained'"
        raise ConfigError(expected, found=f"the mode {config.mode!r}")
    last = max(change.feature.layer for change in changes)
    if config.mode == "direct":
        return range(n_layers)
    if config.mode == "free":
        return range(0)
    freeze_to = last if config.freeze_to is None else config.freeze_to
    if freeze_to >= n_layers:
        raise ConfigError(f"a layer from 0 to {n_layers - 1} to freeze to was expected", found=str(freeze_to))
    if freeze_to < last:
        warnings.append(f"edited features of layers {freeze_to + 1} to {last} may also respond to other edits")
    return range(freeze_to + 1)


def _refuse_overflow(*numbers: Tensor) -> None:
    """Edits so large that numbers overflow leave nothing to compare."""
    if not all(bool(part.isfinite().all()) for part in numbers):
        raise ConfigError("edits that the model's precision can hold were expected", found="NaN or infinite results")


def _reachable(watched: Watched, changes: Sequence[Change]) -> Watched:
    """Those that some edited feature can reach (a higher layer, no earlier position) and that are not edited."""
    reached = torch.zeros(len(watched.node), dtype=torch.bool)
    edited = torch.zeros_like(reached)
    for layer, index, position in {change.feature for change in changes}:
        reached |= (watched.layer > layer) & (watched.position >= position)
        edited |= (watched.layer == layer) & (watched.position == position) & (watched.index == index)
    return watched.take(reached & ~edited)


def _edited(basis: Basis, change: Change) -> EditedFeature:
    return EditedFeature(
        node_id=change.node_id,
        name=str(change.feature),
        layer=change.feature.layer,
        position=change.feature.position,
        before=change.before,
        after=change.after,
        written_norm=abs(change.delta) * norm(vectors(basis, change.feature)),
    )


def _write(scene: Scene, added: Float[Tensor, "L P D"], config: InterventionConfig, warnings: list[str]) -> Generated:
    """Greedy text without and with the edits, which stay at the prompt's positions."""
    if config.mode != "free":
        warnings.append("text is generated with everything live, whatever the mode")
    texts = []
    for edits in ([], additions(added, scene.replacement)):
        steps = scene.model.generate(scene.prompt.token_ids, config.generate, edits=edits)
        texts.append(scene.model.text([step.token for step in steps]))
    return Generated(before=texts[0], after=texts[1])
