"""What the page is sent and what it sends, as types. The page's TypeScript is generated from them. No torch.

Numbers that do not exist are null; all text from files has its control characters escaped.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=200)]
Kind = Literal["feature", "error", "token", "position", "first", "bias", "target"]
Mode = Literal["direct", "constrained", "free"]


class Sent(BaseModel):
    """The base of everything on the wire: strict about names, never changed after it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Problem(Sent):
    """Why a request failed, in one sentence."""

    error: str


class Answer(Sent):
    """A target of a graph, as a reader knows it."""

    token: str
    probability: Number | None


class Interval(Sent):
    """A number known to lie between `low` and `high`."""

    low: Number
    high: Number


class Forms(Sent):
    """A score in its three forms."""

    as_published: Interval
    without_constants: Interval
    constants_unexplained: Interval


class WholeScores(Sent):
    """Scores of the graph before it was pruned."""

    replacement: Forms
    completeness: Forms
    unexpanded: Number
    """Share of the targets' influence that ends in features whose inputs were not traced."""


class ShownScores(Sent):
    """Scores of what is shown by itself: everything left out counts as error."""

    replacement: Number
    completeness: Number


class Card(Sent):
    """One graph of the shelf."""

    id: str
    name: str
    """The file's name."""
    prompt: str
    tokens: list[str]
    answers: list[Answer]
    model: str
    basis: str
    n_nodes: int
    n_links: int
    replacement: Interval | None
    completeness: Interval | None
    modified: Number
    """Seconds since 1970."""


class BadFile(Sent):
    """A file of the shelf that is no graph, and why."""

    name: str
    error: str


class Shelf(Sent):
    """All graphs that are served."""

    place: str
    graphs: list[Card]
    unreadable: list[BadFile]
    left_out: int
    """Files beyond the largest number that is listed."""


class About(Sent):
    """What this server is."""

    version: str
    model: str
    basis: str
    loaded: bool
    """Whether the model is in memory yet."""
    prompt_characters: int


class Job(Sent):
    """What the engine is busy with; empty when it is idle."""

    what: str
    phrase: str
    count: int


class Node(Sent):
    """A node as it is drawn."""

    id: str
    kind: Kind
    layer: int
    position: int
    name: str
    """`3/388@6`, a token, an answer: what a reader calls it."""
    label: str
    """What a person or a program wrote on it; may be empty."""
    activation: Number | None
    probability: Number | None
    value: Number | None
    """What its inputs sum to."""
    influence: Number | None
    """Share of the targets' influence that flows through it."""
    cumulative: Number | None
    """Share held by it and the stronger nodes: small is strong."""
    raises: list[str]
    """Tokens that it promotes most."""
    lowers: list[str]


class Links(Sent):
    """Links as columns: numbers of nodes in the list of nodes, the most influential link first."""

    source: list[int]
    target: list[int]
    weight: list[Number]
    share: list[Number]
    """Share of the target's absolute input."""


class Group(Sent):
    """A named group of nodes."""

    name: Name
    ids: list[str]


class Thresholds(Sent):
    """Shares of nodes and edges shown, and the shares that the file holds."""

    node: Number
    edge: Number
    most_node: Number
    most_edge: Number


class GraphView(Sent):
    """A graph at some thresholds."""

    card: Card
    thresholds: Thresholds
    n_nodes: int
    n_links: int
    """What these thresholds keep; fewer may be sent."""
    nodes: list[Node]
    links: Links
    whole: WholeScores | None
    shown: ShownScores | None
    unattributed: Number
    """Share of the targets' input from constants and from what is not in the view."""
    pinned: list[str]
    groups: list[Group]
    traced_here: bool
    """Whether the server's model and basis are those the graph was traced with."""


class Effect(Sent):
    """A token and the change of its logit along the direct path."""

    token: str
    change: Number


class Connection(Sent):
    """One link of a node: the other end, the signed weight, its share of what the receiver gets."""

    id: str
    kind: Kind
    position: int
    name: str
    label: str
    raises: list[str]
    weight: Number
    share: Number


class NodeView(Sent):
    """A clicked node: what feeds it, what it feeds, what it says."""

    node: Node
    inputs: list[Connection]
    outputs: list[Connection]
    n_inputs: int
    n_outputs: int
    mass: Number
    rest_sum: Number
    rest_share: Number
    promoted: list[Effect]
    suppressed: list[Effect]


class Boxes(Sent):
    """Boxes of nodes whose exchange is asked for."""

    boxes: Annotated[list[list[str]], Field(max_length=200)]
    node: Number = 1.0
    edge: Number = 1.0


class Flow(Sent):
    """What one box sends to another, as a signed share of the receiver's absolute input."""

    source: int
    target: int
    share: Number


class NotesIn(Sent):
    """Pins, groups and changed labels, to be kept in the file."""

    pinned: Annotated[list[str], Field(max_length=2000)]
    groups: Annotated[list[Group], Field(max_length=500)]
    labels: dict[str, Name] = {}
    modified: Number
    """The card's time: refused when the file has changed since."""


class TraceIn(Sent):
    """A prompt to trace."""

    prompt: str
    target: Name | None = None
    against: Name | None = None


class InterveneIn(Sent):
    """Edits to try in the model. `groups` are those of the page, saved or not."""

    edits: Annotated[list[Name], Field(min_length=1)]
    mode: Mode = "constrained"
    freeze_to: Annotated[int, Field(ge=0)] | None = None
    generate: Annotated[int, Field(ge=0)] = 0
    seed: int = 0
    groups: Annotated[list[Group], Field(max_length=500)] = []
