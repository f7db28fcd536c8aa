"""What a feature library is built from, and how large its parts are. No torch."""

from typing import Literal

from pydantic import Field, model_validator

from gearscope.config import Config


class LibraryConfig(Config):
    """Settings that decide what is stored."""

    tokens: int = Field(default=1_000_000, ge=1)
    """Tokens of the corpus that are read, first positions of windows not counted."""
    context: int | None = Field(default=None, ge=2)
    """Tokens per window; None for 128, or what the model can read where that is less."""
    top: int = Field(default=20, ge=1, le=100)
    """Examples with the largest activations, one per window at most."""
    per_decile: int = Field(default=1, ge=0, le=20)
    """Examples from each tenth of the activations, drawn evenly."""
    sample: int = Field(default=40, ge=1, le=400)
    """Firings of a feature that are drawn evenly, to take those of the deciles from."""
    around: int = Field(default=24, ge=0, le=200)
    """Other firings in an example's window that are kept with it, the nearest."""
    effects: int = Field(default=10, ge=1, le=100)
    """Tokens that a feature promotes most, and as many that it suppresses most."""
    triggers: int = Field(default=8, ge=1, le=100)
    """Tokens on which a feature fires most often."""
    neighbours: int = Field(default=20, ge=1, le=200)
    """Features, of all layers, that write in the most similar direction."""
    cofiring: int = Field(default=10, ge=1, le=200)
    """Features that fire most often on the same tokens."""
    cofiring_pairs: int = Field(default=50_000_000, ge=1)
    """Pairs of features on one token that are counted, about; where there are more, on one token in so many."""


class Shelf(Config):
    """One dictionary of a library, or the neurons of one layer."""

    layer: int = Field(ge=0)
    """The layer in the names of its features, `LAYER/INDEX`: that of the first site that it reads."""
    kind: str = Field(max_length=40)
    """sae, plt, clt, crosscoder or neurons."""
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    n_features: int = Field(ge=1, lt=2**31)


class Imported(Config):
    """What is different in a library that another program measured: what it did not say is absent.

    Of its `LibraryConfig`, only `effects` says something. The last token of its vocabulary stands for nothing: it fills
    windows that are shorter than the longest, and lists of tokens that are shorter than others.
    """

    format: Literal["neuronpedia", "saedashboard"]
    sources: tuple[str, ...]
    """What each shelf is called there, for instance `20-gemmascope-res-16k`."""
    vectors: bool
    """Whether every feature came with what it writes."""


class Contents(Config):
    """What a finished library holds: enough to know the shape of every file in it."""

    settings: LibraryConfig
    model: str
    """The model's name, as it was given."""
    dictionaries: str
    """The dictionaries' name, folder or `neurons`, as it was given."""
    corpus: str
    """Where the text came from, as it was given."""
    shelves: tuple[Shelf, ...] = Field(min_length=1)
    """In the order of the features' numbers."""
    d_model: int = Field(ge=0)
    """0 for an imported library whose features came without what they write."""
    context: int = Field(ge=2)
    n_windows: int = Field(ge=1)
    n_vocabulary: int = Field(ge=1)
    cofiring_every: int = Field(default=1, ge=1)
    """Co-firing was counted on one token in so many."""
    cofiring_tokens: int = Field(default=1, ge=1)
    """On how many that is."""
    imported: Imported | None = None
    """None for a library that was built here."""

    @model_validator(mode="after")
    def _consistent(self) -> "Contents":
        layers = [shelf.layer for shelf in self.shelves]
        if len(set(layers)) < len(layers):
            raise ValueError(f"one dictionary per layer was expected, found layers {layers}")
        if self.n_features >= 2**31 or self.n_windows * self.context >= 2**32:
            raise ValueError(f"{self.n_features} features and {self.n_windows * self.context} tokens are too many")
        if self.imported is not None and len(self.imported.sources) != len(self.shelves):
            raise ValueError(f"{len(self.shelves)} sources were expected, found {len(self.imported.sources)}")
        return self

    @property
    def n_features(self) -> int:
        """Of all dictionaries together."""
        return sum(shelf.n_features for shelf in self.shelves)

    @property
    def looked_at(self) -> int:
        """Tokens on which co-firing is counted, about."""
        return self.n_tokens // self.cofiring_every

    @property
    def filler(self) -> int | None:
        """The token that stands for nothing; None where there is none."""
        return None if self.imported is None else self.n_vocabulary - 1

    @property
    def n_tokens(self) -> int:
        """Tokens on which features were looked at: all but the first of each window. Not known of imported ones."""
        return self.n_windows * (self.context - 1)
