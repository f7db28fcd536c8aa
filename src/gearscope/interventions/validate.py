"""The recipe of a validation: a scene and its plan in, predicted beside measured beside control out.

1. runs       every edit of every group as changes of features, and its control draws (writing.py)
2. predict    the graph's linear response to each edit (response.py)
3. measure    all runs whose MLPs are held through the same layer, in a few batches beside the unedited run (measure.py)
4. compare    what each edit can reach: features, groups, tokens, the residual stream (effects.py)
5. sum up     agreement over the whole table, by edit, kind of target and distance in layers (figures.py)

Nothing here looks at a measurement before the plan, which is given. Knows nothing about files.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.config import fingerprint
from gearscope.errors import ConfigError, GraphError
from gearscope.ids import FeatureAt
from gearscope.interventions.changes import Change
from gearscope.interventions.config import InterventionConfig
from gearscope.interventions.effects import Done, Reach, compare, reach
from gearscope.interventions.figures import Edited, figures, stream_figures
from gearscope.interventions.measure import measure
from gearscope.interventions.response import respond
from gearscope.interventions.scene import Scene, activations_in
from gearscope.interventions.validation import (
    EDIT_KINDS,
    NORMS,
    EditKind,
    GroupEffects,
    Norms,
    Plan,
    PlannedGroup,
    Validation,
)
from gearscope.interventions.watch import Watched, levels, watch
from gearscope.interventions.writing import control_changes, written
from gearscope.models.frozen import FrozenPrompt

Progress = Callable[[str, int], None]
_BATCH_BYTES = 2**28
"""Memory for what one batch adds; without effect on results but for the last bits."""


class Run(NamedTuple):
    """One edit of one group, from one reference where it is a resample ablation, with its control draws."""

    group: int
    kind: EditKind
    changes: list[Change]
    controls: list[list[Change]]


def validate(scene: Scene, plan: Plan, progress: Progress | None = None) -> Validation:
    """Carry a plan out. Raises GraphError for a plan of another graph, ConfigError where numbers overflow."""
    if plan.graph != fingerprint(list(scene.graph.nodes.ids)):
        raise GraphError("a plan for this graph was expected", found=f"one for a graph with nodes {plan.graph}")
    with torch.inference_mode():
        watched = watch(scene.graph, scene.replacement.active)
        runs = _runs(scene, plan)
        reaches = [reach(scene, watched, plan, number) for number in range(len(plan.groups))]
        done: dict[tuple[int, EditKind, Norms], list[Done]] = {}
        for held_to in sorted({group.held_to for group in plan.groups}):
            mine = [run for run in runs if plan.groups[run.group].held_to == held_to]
            for norms in NORMS:
                for run, outcome in _carry_out(scene, plan, watched, reaches, mine, norms, progress):
                    done.setdefault((run.group, run.kind, norms), []).append(outcome)
    every = [
        [
            Edited(reached, kind, *(compare(kind, norms, done[number, kind, norms]) for norms in NORMS))
            for kind in EDIT_KINDS
        ]
        for number, reached in enumerate(reaches)
    ]
    edits = [edited for group in every for edited in group]
    answer = reaches[0].answer
    return Validation(
        plan=plan,
        registered=plan.fingerprint(),
        answer=None if answer is None else answer.name,
        answer_before=None if answer is None else answer.before,
        table=tuple(_effects(group, edited) for group, edited in zip(plan.groups, every, strict=True)),
        figures=figures(edits),
        streams=stream_figures(edits),
    )


def _runs(scene: Scene, plan: Plan) -> list[Run]:
    """All edits with their controls, in the order of the groups; a group's kinds in the order of EDIT_KINDS."""
    settings = plan.settings
    generator = torch.Generator().manual_seed(settings.seed)
    records = {ids: scene.model.record(torch.tensor(ids)) for ids in dict.fromkeys(plan.references)}
    found = []
    for number, group in enumerate(plan.groups):
        members = [scene.graph.nodes.place(scene.graph.find(node_id)) for node_id in group.ids]
        before = [scene.activation(feature) for feature in members]
        afters: list[tuple[EditKind, list[float], int]] = [("zero", [0.0] * len(members), settings.controls)]
        afters += [("resample", _elsewhere(scene, records[ids], members), 1) for ids in plan.references]
        afters += [("double", [2 * value for value in before], settings.controls)]
        for kind, after, draws in afters:
            changes = [Change(*row) for row in zip(members, group.ids, before, after, strict=True)]
            controls = [
                control_changes(scene.basis, scene.replacement.active, changes, generator) for _ in range(draws)
            ]
            found.append(Run(number, kind, changes, controls))
    return found


def _elsewhere(scene: Scene, record: FrozenPrompt, members: Sequence[FeatureAt]) -> list[float]:
    """The members' activations in a reference run, at places as far from its end."""
    shift, first = record.n_positions - scene.prompt.n_positions, record.n_constant_positions
    places = [feature._replace(position=max(first, feature.position + shift)) for feature in members]
    found = activations_in(record, scene.basis, places)
    return [found[place] for place in places]


def _carry_out(
    scene: Scene,
    plan: Plan,
    watched: Watched,
    reaches: Sequence[Reach],
    runs: Sequence[Run],
    norms: Norms,
    progress: Progress | None,
) -> Iterator[tuple[Run, Done]]:
    """Predict and measure runs that hold the same layers, in batches of bounded memory."""
    prompt, held_to = scene.prompt, plan.groups[runs[0].group].held_to
    per_row = 16 * prompt.n_layers * prompt.n_positions * prompt.d_model + 4 * prompt.n_positions * len(prompt.W_U)
    most = max(1, _BATCH_BYTES // per_row)
    batch: list[Run] = []
    for number, run in enumerate(runs):
        batch.append(run)
        size = sum(1 + len(one.controls) for one in batch)
        if size >= most or number == len(runs) - 1:
            yield from _batch(scene, plan, watched, reaches, batch, norms)
            batch = []
            if progress is not None:
                progress(f"edits measured, MLPs held through layer {held_to}, norms {norms}", number + 1)


def _batch(
    scene: Scene, plan: Plan, watched: Watched, reaches: Sequence[Reach], runs: Sequence[Run], norms: Norms
) -> Iterator[tuple[Run, Done]]:
    """Runs in one batch beside the unedited run, which is its first row."""
    held_to, prompt = plan.groups[runs[0].group].held_to, scene.prompt
    config = InterventionConfig(mode="constrained", freeze_to=held_to, hold_norms=norms == "held")
    held, site = range(held_to + 1), scene.basis.reads
    rows = [changes for run in runs for changes in (run.changes, *run.controls)]
    wholes = torch.stack([written(prompt, scene.basis, changes) for changes in ([], *rows)])
    measured = measure(
        scene.model, prompt, scene.replacement, wholes, config=config, held=held, site=site, streams=True
    )
    values = levels(watched, scene.basis, scene.replacement, measured, frozen_reading=False).value
    _refuse_overflow(values, measured.logits)
    at = 1
    for run in runs:
        here = range(at, at + 1 + len(run.controls))
        response = respond(prompt, scene.replacement, wholes[at], held, live_norms=norms == "live")
        yield run, Done.of(scene, reaches[run.group], measured, values, wholes[at], response, here)
        at = here.stop


def _refuse_overflow(*numbers: Float[Tensor, "..."]) -> None:
    if not all(bool(part.isfinite().all()) for part in numbers):
        raise ConfigError("a graph whose edits the model's precision can hold was expected", found="NaN or infinity")


def _effects(group: PlannedGroup, edited: Sequence[Edited]) -> GroupEffects:
    targets = edited[0].reached.targets
    return GroupEffects(
        group=group.name,
        kinds=tuple(target.kind for target in targets),
        targets=tuple(target.name for target in targets),
        distances=tuple(target.distance for target in targets),
        edits=tuple(found.stored for one in edited for found in (one.held, one.live)),
    )
