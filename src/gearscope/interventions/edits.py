"""What an edit of a circuit is, and its text form, parsed here and nowhere else. No torch.

    SUBJECT=3.1     activation 3.1                    SUBJECT=2max    twice the feature's stored maximum
    SUBJECT*2       twice its current activation      SUBJECT*0       ablated
    SUBJECT+1.5     1.5 more (negative doses too: `=-3`, `*-1`, `+-1.5`, `=-1max`)
    swap:NAME<-other.json:NAME2      members of NAME to 0, those of the other graph's NAME2 to their activations there

SUBJECT is a feature at a position, `L/F@P`, or `supernode:NAME`, whose members are each edited that way. Knows nothing
about graphs: whether a node or a group is there is found when the edit is applied.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gearscope.config import Config
from gearscope.errors import ConfigError, TargetError
from gearscope.ids import FeatureAt

Operation = Literal["set", "set_max", "scale", "add", "swap"]
Finite = Annotated[float, Field(allow_inf_nan=False)]

_SIGNS: dict[str, Operation] = {"=": "set", "*": "scale", "+": "add"}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_FORM = re.compile(rf"(?P<subject>.+?)(?P<sign>[=*+])(?P<amount>{_NUMBER})(?P<max>max)?", re.S)
_NOT_FINITE = re.compile(r".+[=*+][-+]?(?:nan|inf|infinity)(?:max)?", re.I | re.S)
_SWAP = re.compile(r"swap:(?P<name>.+?)<-(?P<file>.+\.json|[^:]+):(?P<other>.+)", re.S)
_SUPERNODE = "supernode:"
_HINT = (
    "write LAYER/INDEX@POSITION or supernode:NAME, then =VALUE, =Nmax, *FACTOR or +VALUE; or swap:NAME<-other.json:NAME"
)


class NodeEdit(Config):
    """One change of a feature at a position, or of every member of a supernode. Raises ConfigError for nonsense."""

    operation: Operation
    """What is done: `set` to an activation, `set_max` in units of the stored maximum, `scale`, `add`, or `swap`."""
    feature: str | None = None
    """`L/F@P`, or None for a supernode."""
    supernode: str | None = None
    """Name of a group of the graph, or None for one feature."""
    amount: Finite = 0.0
    """Activation, number of maxima or factor; nothing for a swap."""
    other_graph: str | None = None
    """For a swap: the graph whose supernode is put in place, as a file or as a name that the caller knows."""
    other_supernode: str | None = None
    """For a swap: the name of that supernode."""

    @model_validator(mode="after")
    def _whole(self) -> "NodeEdit":
        if (self.feature is None) == (self.supernode is None):
            raise ValueError("an edit names either a feature or a supernode")
        if self.feature is not None:
            _feature(self.feature)
        is_swap = self.operation == "swap"
        if is_swap != (self.other_graph is not None and self.other_supernode is not None and self.feature is None):
            raise ValueError("a swap, and nothing else, names a supernode, another graph and a supernode of it")
        return self

    @property
    def at(self) -> FeatureAt | None:
        """The feature that is edited; None for a supernode."""
        return None if self.feature is None else FeatureAt.parse(self.feature)

    def __str__(self) -> str:
        if self.operation == "swap":
            return f"swap:{self.supernode}<-{self.other_graph}:{self.other_supernode}"
        subject = self.feature if self.feature is not None else f"{_SUPERNODE}{self.supernode}"
        sign = {"set": "=", "set_max": "=", "scale": "*", "add": "+"}[self.operation]
        return f"{subject}{sign}{self.amount:.12g}{'max' if self.operation == 'set_max' else ''}"


def parse_edit(text: str) -> NodeEdit:
    """Read one edit. Raises ConfigError that shows the forms there are."""
    text = text.strip()
    if text.startswith("swap:"):
        return _parse_swap(text)
    form = _FORM.fullmatch(text)
    if form is None:
        if _NOT_FINITE.fullmatch(text):
            raise ConfigError("an edit needs a finite number", found=repr(text))
        raise ConfigError("an edit of a node was expected", found=repr(text), hint=_HINT)
    subject, sign, amount = form["subject"].strip(), form["sign"], float(form["amount"])
    if not math.isfinite(amount):
        raise ConfigError("an edit needs a finite number", found=repr(text))
    if form["max"] and sign != "=":
        raise ConfigError("multiples of a maximum are set: =Nmax", found=repr(text))
    operation: Operation = "set_max" if form["max"] else _SIGNS[sign]
    if subject.startswith(_SUPERNODE):
        name = subject.removeprefix(_SUPERNODE)
        if not name:
            raise ConfigError("the name of a supernode was expected", found=repr(text), hint=_HINT)
        return NodeEdit.of(operation=operation, supernode=name, amount=amount)
    try:
        feature = str(FeatureAt.parse(subject))
    except TargetError as error:
        raise ConfigError("an edit of a feature or a supernode was expected", found=repr(text), hint=_HINT) from error
    return NodeEdit.of(operation=operation, feature=feature, amount=amount)


def parse_edits(edits: Iterable[str | NodeEdit]) -> tuple[NodeEdit, ...]:
    """Read all edits of one intervention. Raises ConfigError when there are none, or when two contradict each other.

    Two edits of the same feature or of the same supernode contradict each other, whatever they do; members that two
    different groups share are found when the edits are applied.
    """
    found = tuple(parse_edit(edit) if isinstance(edit, str) else edit for edit in edits)
    if not found:
        raise ConfigError("at least one edit was expected", found="none", hint=_HINT)
    refuse_twice([edit.feature or f"{_SUPERNODE}{edit.supernode}" for edit in found])
    return found


def refuse_twice(subjects: Sequence[str]) -> None:
    """Raise ConfigError naming what is edited more than once."""
    twice = sorted({subject for subject in subjects if subjects.count(subject) > 1})
    if twice:
        hint = "say in one edit what should become of it"
        raise ConfigError(
            "edits that do not contradict each other were expected", found=f"two of {', '.join(twice[:5])}", hint=hint
        )


def _parse_swap(text: str) -> NodeEdit:
    form = _SWAP.fullmatch(text)
    if form is None:
        raise ConfigError("a swap is written swap:NAME<-other.json:NAME", found=repr(text))
    return NodeEdit.of(
        operation="swap",
        supernode=form["name"].strip(),
        other_graph=form["file"].strip(),
        other_supernode=form["other"].strip(),
    )


def _feature(text: str) -> FeatureAt:
    try:
        return FeatureAt.parse(text)
    except TargetError as error:
        raise ValueError(str(error)) from error
