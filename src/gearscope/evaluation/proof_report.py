"""Figures of circuits put to test on the bundled model, as data. No torch."""

from typing import Annotated, Literal

from pydantic import Field

from gearscope.config import Config
from gearscope.interventions.validation import Compared, EditKind, Norms

Finite = Annotated[float, Field(allow_inf_nan=False)]


class PairFigures(Config):
    """Pairs of features joined by an edge: the source is edited, the target's change predicted and measured."""

    norms: Compared
    edit: EditKind
    chosen: Literal["all", "strongest", "random"]
    """The strongest edges of each circuit, others at random, or both."""
    pairs: int
    spearman: Finite | None
    spearman_control: Finite | None
    """Of the prediction and what a random other feature of the source's layer did, written with equal norm."""
    signs: Finite | None


class StreamAgreement(Config):
    """The residual stream so many layers behind the edited feature: means over all edits of all prompts."""

    norms: Norms
    distance: int
    edits: int
    cosine: Finite | None
    cosine_control: Finite | None
    nmse: Finite | None
    """Of each prompt's edits together; the mean over prompts, weighted by edits."""


class AgreementReport(Config):
    """Predicted and measured over prompts, in one basis."""

    model: str
    basis: str
    prompts: int
    seed: int
    pairs: tuple[PairFigures, ...]
    streams: tuple[StreamAgreement, ...]


class PatchingRow(Config):
    """Attribution of neurons beside activation patching, over pairs of prompts that differ in one variable."""

    variable: str
    """Its title, or `all`."""
    attribution: Literal["graph", "tangent"]
    """`graph`: as graphs are made, by the half rule with norm scales frozen; `tangent`: the model's derivative with
    attention patterns held, norms included."""
    held: Literal["nothing", "attention and norms"]
    """While neurons were patched."""
    pairs: int
    neurons: int
    """(layer, position, neuron) that were patched, in all pairs together."""
    pearson: Finite | None
    """Over the neurons of a pair; the mean over pairs."""
    pearson_shuffled: Finite | None
    """The same with attributions exchanged among a pair's neurons."""


class GateRow(Config):
    """How often the known inhibition of one kind of question is found, unaided."""

    model: str
    basis: str
    question: str
    prompts: int
    """Asked and answered rightly."""
    first: Finite
    """Share in which the first of the ranked gates is the known one."""
    recall: Finite
    """Share in which one of the first five is."""
    recall_behind: Finite
    """The same where it may also lie behind the words that settle the variable, which carry it on."""
    recall_random: Finite
    """Share in which one of the first five gates' random draws, of any of these, flips the answer to anything."""
    features: Finite | None
    """Features of the gate that was found, on average."""


EdgeRule = Literal["kept", "strong"]
"""Which pairs of (layer, position) nodes a graph says are edges: those joined by an edge that the default pruning
keeps, or those whose edges hold at least the truth's own share of the influence."""


class EdgeFigures(Config):
    """Edges beside true ones, all prompts' counts together."""

    precision: Finite | None
    recall: Finite | None
    f1: Finite | None


class EdgeControls(Config):
    """F1 of edges that are not this prompt's graph's; None where there is no such prompt."""

    random: Finite | None
    """As many pairs, with the same layers at both ends."""
    same_kind: Finite | None
    """The graph of another prompt of the kind."""
    other_kind: Finite | None
    """The graph of a prompt of another kind, positions counted from the end."""


class EdgeRow(Config):
    """Edges of circuits beside path patching, between tokens, MLPs by layer and position, and the answer."""

    basis: str
    kind: str
    """Of the prompts, or `all`."""
    held: Literal["nothing", "attention and norms"]
    """While paths were patched."""
    rule: EdgeRule
    share: Finite
    """Of the whole contrast's effect, from which on an edge is true."""
    prompts: int
    asked: int
    """Pairs of nodes that path patching can say something about."""
    true: int
    """Edges among them."""
    found: EdgeFigures
    controls: EdgeControls
    average_precision: Finite | None
    """Of the share of the influence, without a bar; the mean over prompts."""
    auroc: Finite | None
    contrasts: Finite | None
    """F1 of the edges of one contrast beside those of the other: how far the truth agrees with itself."""
    held_beside_live: Finite | None
    """F1 of the edges with attention and norms held beside those with nothing held."""


class ProofReport(Config):
    """All of it."""

    format_version: Literal[1] = 1
    agreement: tuple[AgreementReport, ...] = ()
    patching: tuple[PatchingRow, ...] = ()
    gates: tuple[GateRow, ...] = ()
    edges: tuple[EdgeRow, ...] = ()
