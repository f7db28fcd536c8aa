"""What a comparison of two models found, as data. No torch.

A feature is one of the crosscoder's, with a decoder in each model: `shared`, `gained` (B alone has it), `lost` (A alone
has it), `changed` (both have it, in other directions) or `silent` (it fired too seldom to be judged).
"""

from typing import Literal, get_args

from gearscope.config import Config

Class = Literal["shared", "gained", "lost", "changed", "silent"]
CLASSES: tuple[Class, ...] = get_args(Class)
DIFFERENT: tuple[Class, ...] = ("gained", "lost", "changed")
"""Classes that say that the models differ."""


class Example(Config):
    """A token on which a feature fires."""

    window: int
    """Number of the held-out window."""
    position: int
    value: float
    before: str
    """The text that leads there."""
    token: str
    behind: str


class Effect(Config):
    """B with a feature turned off, and A with it turned on, on tokens where it fires; means over these tokens.

    A and B change places for a feature of which A has more.
    """

    tokens: int
    kl: float
    """KL(A ‖ B), with nothing turned, nats."""
    off: float
    """KL(B ‖ B with the feature as A has it)."""
    off_control: float
    """The same for an edit of equal size, there, in the direction of a shared feature that fires about as often."""
    on: float
    """KL(A ‖ A with the feature as B has it)."""
    on_control: float
    undone: float | None
    """1 − KL(A ‖ B with the feature as A has it) / KL(A ‖ B): the share of the difference that this takes away; may be
    below 0. None where A and B do not differ there."""
    undone_control: float | None
    control: int
    """The shared feature whose direction that was."""


class Feature(Config):
    """One feature with its numbers (`scaling.py` says what they are)."""

    index: int
    kind: Class
    fired: int
    """Held-out tokens on which it is active."""
    norm_a: float
    norm_b: float
    delta_norm: float
    cosine: float
    nu_error: float
    nu_reconstruction: float
    share: float
    """Σ f² ‖d_B − d_A‖² over the variance of b − a: how large its part of the difference is, seen by itself."""
    kl: float
    """KL(A ‖ B) of the next token where it fires, weighted with f², nats."""
    examples: tuple[Example, ...] = ()
    promotes: tuple[str, ...] = ()
    """Tokens for which its difference d_B − d_A speaks most, by the unembedding of B (only A has it: against which)."""
    effect: Effect | None = None


class Context(Config):
    """A token after which the models predict differently."""

    window: int
    position: int
    kl: float
    before: str
    token: str
    top_a: str
    """What A holds likeliest behind it."""
    top_b: str


class Behaviour(Config):
    """Such tokens with the feature that writes most of the difference there."""

    feature: int | None
    """None where no feature writes any."""
    kind: Class | None
    tokens: int
    kl: float
    """Sum over them."""
    contexts: tuple[Context, ...]


class Turned(Config):
    """A change turned off in B, and on in A, at one site; means over tokens on which it fires."""

    site: str
    undone: float
    """1 − KL(A ‖ B with it off) / KL(A ‖ B); may be below 0."""
    undone_control: float
    """The same of edits of equal size in directions of features that are no part of any change."""
    made: float
    """1 − KL(B ‖ A with it on) / KL(B ‖ A)."""


class Change(Config):
    """Something that B does otherwise than A: directions of b − a whose contexts no word tells apart."""

    features: tuple[int, ...]
    """Numbers in the dictionary `changes` of the folder."""
    fired: int
    """Held-out tokens on which one of them fires."""
    kl: float
    """Mean KL(A ‖ B) on these, weighted with f², nats."""
    share: float
    """Of all KL on the held-out tokens."""
    where: tuple[str, ...]
    """What most of these tokens are."""
    words: tuple[str, ...]
    """Words that stand before most of them, those rarest elsewhere first."""
    turned: tuple[Turned, ...]
    """At each site."""
    contexts: tuple[Context, ...]
    """Tokens with the largest KL."""

    @property
    def best(self) -> Turned:
        """The site at which turning it off takes most away."""
        return max(self.turned, key=lambda one: one.undone - one.undone_control)


class Parting(Config):
    """Tokens behind which predictions part: KL(A ‖ B) is at least the bound, and A expects something."""

    bound: float
    """Nats."""
    read: int
    """Held-out tokens that were read."""
    parting: int
    """Those that part."""
    texts: int
    """Texts that B wrote by itself from there."""
    written: int
    """Tokens that B wrote."""
    parting_written: int


class DiffReport(Config):
    """Everything that was found."""

    a: str
    b: str
    sites: tuple[str, ...]
    tokens: int
    """Held-out tokens that were read."""
    counts: dict[str, int]
    explained: dict[str, float]
    """Class, or `all`: the share of the variance of b − a that its features write."""
    loss_a: float
    """Nats per held-out token."""
    loss_b: float
    kl: float
    """Mean KL(A ‖ B) of the next token, nats."""
    same_top: float
    """Share of tokens behind which both hold the same token likeliest."""
    features: tuple[Feature, ...]
    """Those that are not shared or silent, then some that are shared; of both those that write most of the difference
    first."""
    parting: Parting | None = None
    """Counts behind `changes`; None where none were looked for."""
    changes: tuple[Change, ...] = ()
    """What B does otherwise; those that hold most of the KL first."""
    behaviours: tuple[Behaviour, ...]
    """Where the predictions differ most, grouped; those with the most KL first."""

    def those(self, *kinds: Class) -> tuple[Feature, ...]:
        """The features of these classes."""
        return tuple(feature for feature in self.features if feature.kind in kinds)
