"""The names of things, parsed in one place: sites of a model and features of a basis.

    SiteId       `embed`, `final_in`, `logits`, `blocks.3.mlp_out` (TransformerLens' short names without `hook_`);
                 of two models that are compared, `a:blocks.3.mlp_out` and `b:blocks.3.mlp_out`
    FeatureId    `L/F`    feature F read at layer L
    FeatureAt    `L/F@P`  the same at position P

Legacy names (`blocks.3.hook_mlp_out`, `blocks.3.attn.hook_pattern`) are accepted and normalised. Node ids of graphs
live with the graph format (`graph/schema.py`), which builds on these.
"""

import re
from typing import Literal, NamedTuple

from gearscope.errors import ConfigError, TargetError

BLOCK_SITES = (
    "resid_pre", "attn_in", "q", "k", "v", "pattern", "z", "attn_out", "resid_mid",
    "mlp_in", "routing", "mlp_act", "mlp_raw", "mlp_out", "resid_post",
)  # fmt: skip
MODEL_SITES = ("embed", "final_in", "logits")

_LEGACY = {
    "hook_embed": "embed",
    "ln_final.hook_normalized": "final_in",
    "ln1.hook_normalized": "attn_in",
    "ln2.hook_normalized": "mlp_in",
    "mlp.hook_in": "mlp_in",
    "mlp.hook_out": "mlp_out",
    "mlp.hook_post": "mlp_act",
    **{f"attn.hook_{name}": name for name in ("q", "k", "v", "z", "pattern")},
    **{f"hook_{name}": name for name in BLOCK_SITES},
}


class SiteId(NamedTuple):
    """A place in a model where activations can be read, written or frozen. `layer` is None for model-wide sites."""

    layer: int | None
    name: str
    of: Literal["a", "b"] | None = None
    """Which of two models that are compared; None where there is one."""

    @classmethod
    def parse(cls, text: str) -> "SiteId":
        """Read `blocks.3.mlp_out` or a legacy spelling of it. Raises ConfigError naming the known sites."""
        of, rest = (text[0], text[2:]) if text.startswith(("a:", "b:")) else (None, text)
        match = re.fullmatch(r"blocks\.(\d+)\.(.+)", rest)
        layer, name = (int(match[1]), match[2]) if match else (None, rest)
        name = _LEGACY.get(name, name)
        if name not in (MODEL_SITES if layer is None else BLOCK_SITES):
            known = ", ".join((*MODEL_SITES, *(f"blocks.{{i}}.{site}" for site in BLOCK_SITES)))
            raise ConfigError(f"a site name was expected (one of {known})", found=repr(text))
        return cls(layer, name, "a" if of == "a" else "b" if of == "b" else None)

    def __str__(self) -> str:
        place = self.name if self.layer is None else f"blocks.{self.layer}.{self.name}"
        return place if self.of is None else f"{self.of}:{place}"


class FeatureId(NamedTuple):
    """Feature `index` of the dictionary (or neuron of the MLP) that reads at `layer`."""

    layer: int
    index: int

    @classmethod
    def parse(cls, text: str) -> "FeatureId":
        """Read `L/F`. Raises TargetError."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match:
            raise TargetError("a feature is written LAYER/INDEX, for instance 2/417", found=repr(text))
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.layer}/{self.index}"


class FeatureAt(NamedTuple):
    """A feature at one position of a prompt."""

    layer: int
    index: int
    position: int

    @classmethod
    def parse(cls, text: str) -> "FeatureAt":
        """Read `L/F@P`. Raises TargetError."""
        match = re.fullmatch(r"(\d+)/(\d+)@(\d+)", text)
        if not match:
            hint = "a feature at a position is written LAYER/INDEX@POSITION, for instance 2/417@5"
            raise TargetError(hint, found=repr(text))
        return cls(int(match[1]), int(match[2]), int(match[3]))

    def __str__(self) -> str:
        return f"{self.layer}/{self.index}@{self.position}"
