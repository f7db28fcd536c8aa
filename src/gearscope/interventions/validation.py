"""A graph proved by intervention: the plan made in advance, the table of predicted and measured, figures. No torch.

Every group of a graph is edited in three ways, with MLPs held through its last layer (`held_to`) and later ones live:

    zero        each member is set to 0
    resample    each member gets its value from a reference run: another prompt, or the prompt's own tokens in a random
                order. All members take it from one run, at the place as far from its end, so that they fit together
    double      each member is set to twice its value

once with norm scales held, as the graph holds them, and once with live norms, which the prediction makes anew as well,
and compared on everything that the edit can reach: features of the graph, other groups, and the graph's tokens. A
feature's or token's change is in units of its own value; a group's is Σ v Δv / Σ v² over its members' values v: -1 if
all are gone, +1 if all are twice as large. Controls are random other features of the same layers and positions, as
often active, that write as much.

Stored in the graph's file (`metadata.gearscope`), so read without the model.
"""

import json
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from gearscope.config import Config
from gearscope.errors import ConfigError, GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.interventions.config import ValidationConfig

KEY = "validation"
"""Where a graph's details hold it."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
EditKind = Literal["zero", "resample", "double"]
EDIT_KINDS: tuple[EditKind, ...] = ("zero", "resample", "double")
TargetKind = Literal["feature", "supernode", "token"]
Norms = Literal["held", "live"]
NORMS: tuple[Norms, ...] = ("held", "live")
Compared = Literal["held", "live", "held, then live"]
"""Norms of prediction and measurement; the last is the prediction with held norms beside what live ones did."""


class PlannedGroup(Config):
    """One group that will be edited."""

    name: str
    ids: tuple[str, ...]
    """Its features."""
    held_to: int
    """The last layer whose MLP output is held: the last one that is edited."""


class Plan(Config):
    """What will be done, complete before anything is measured; `fingerprint()` names it."""

    format_version: Literal[1] = 1
    settings: ValidationConfig
    groups_are: Literal["supernodes", "features"]
    """`features`: the graph has no supernodes, so its most influential features are groups of one."""
    groups: tuple[PlannedGroup, ...]
    left_out: tuple[str, ...] = ()
    """Supernodes without features, which cannot be edited."""
    references_are: Literal["given", "shuffled"]
    """Prompts that were given, or the prompt's own tokens in a random order."""
    references: tuple[tuple[int, ...], ...]
    """Token ids of every reference run."""
    graph: str
    """Fingerprint of the graph's nodes."""


class StreamRow(Config):
    """Predicted and measured change of the residual stream behind one layer, over all positions."""

    distance: int
    """Layers behind the last edited one; the last distance is what the unembedding reads."""
    cosine: Finite | None
    """None where nothing changes."""
    nmse: Finite | None
    """‖predicted − measured‖² / ‖measured‖²."""
    cosine_answered: Finite | None
    """The same without what the edit itself put there: only what the model answered."""
    nmse_answered: Finite | None
    cosine_control: Finite | None
    """Of the prediction and what the control did, the mean over its draws."""


class EditEffect(Config):
    """What one edit of a group did; numbers in the order of the group's targets."""

    kind: EditKind
    norms: Norms
    written_norm: Finite
    predicted: tuple[Finite, ...]
    measured: tuple[Finite, ...]
    control: tuple[Finite, ...]
    """Mean over the draws."""
    streams: tuple[StreamRow, ...]
    answer: Finite
    """Probability of the graph's strongest token after the edit."""
    answer_control: Finite
    kl: Finite
    """KL(before ‖ after) of the next token, in nats."""
    kl_control: Finite
    kl_left: Finite
    """KL(after ‖ what the graph predicts), beside `kl_unpredicted`, KL(after ‖ before): what predicting no change would
    leave."""
    kl_unpredicted: Finite


class GroupEffects(Config):
    """One group, what its edits can reach, and what each did to it."""

    group: str
    kinds: tuple[TargetKind, ...]
    targets: tuple[str, ...]
    """Node ids, or names of supernodes."""
    distances: tuple[int, ...]
    """Layers from the nearest edited feature below."""
    edits: tuple[EditEffect, ...]


class Figures(Config):
    """How well predictions agree with measurements over some rows of the table."""

    norms: Compared
    edit: EditKind | Literal["all"]
    target: TargetKind | Literal["all"]
    """`all` are features and tokens, whose groups are not counted twice."""
    distance: int | None = None
    """Rows so many layers on; None for all."""
    rows: int
    spearman: Finite | None
    spearman_control: Finite | None
    """Of the prediction and what the control did, the mean over its draws."""
    signs: Finite | None
    """Share with equal signs."""
    signs_control: Finite | None
    size: Finite
    """Mean absolute measured change."""
    size_control: Finite


class StreamFigures(Config):
    """Agreement of the residual stream so many layers on: cosines are means over edits, NMSE is of all together."""

    norms: Norms
    distance: int
    edits: int
    cosine: Finite | None
    cosine_control: Finite | None
    nmse: Finite | None
    cosine_answered: Finite | None
    nmse_answered: Finite | None


class Validation(Config):
    """A plan and, once it was carried out, what came of it."""

    plan: Plan
    registered: str
    """Fingerprint of the plan, taken before anything was measured."""
    answer: str | None = None
    """The graph's strongest token, and its probability on the prompt."""
    answer_before: Finite | None = None
    table: tuple[GroupEffects, ...] = ()
    figures: tuple[Figures, ...] = ()
    streams: tuple[StreamFigures, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether it was measured."""
        return bool(self.table)

    def figures_of(
        self, norms: Compared, edit: str = "all", target: str = "all", distance: int | None = None
    ) -> Figures | None:
        """The figures of some rows; None where there are none."""
        wanted = (norms, edit, target, distance)
        return next((row for row in self.figures if (row.norms, row.edit, row.target, row.distance) == wanted), None)


def with_validation(graph: AttributionGraph, validation: Validation) -> AttributionGraph:
    """The graph with this validation in place of any other."""
    return replace(graph, details=graph.details | {KEY: validation.model_dump(mode="json")})


def read_validation(graph: AttributionGraph) -> Validation | None:
    """What the graph carries; None where it was never validated. Raises GraphError for what is damaged."""
    stored = graph.details.get(KEY)
    if stored is None:
        return None
    try:
        found = Validation.from_json(json.dumps(stored))
    except ConfigError as error:
        raise GraphError(
            "a whole validation under metadata.gearscope was expected", found=f"another ({error})"
        ) from error
    if found.plan.fingerprint() != found.registered:
        expected = f"a validation by the plan that was registered ({found.registered})"
        raise GraphError(expected, found=f"another plan ({found.plan.fingerprint()})")
    return found
