"""One dictionary: weights, codes and reconstructions.

    pre = Σ_r W_enc[:, r] x_r + b_enc      f = σ(pre)      ŷ_s = Σ_i f_i W_dec[i, s] + b_dec[s]   (+ W_skip x)

over read sites r and write sites s (Dunefsky et al. 2024; Ameisen et al. 2025). No centring and no scaling: whatever
training normalised is folded into the weights. All that a feature writes is one contiguous row of `W_dec`, so that a
decoder on disk is read only where features are active. `W_skip` [D, D] acts as `x @ W_skip.T` and writes to the site in
the layer that is read. Knows nothing about models and files.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.selection import Codes, select
from gearscope.errors import DictionaryError

WEIGHTS = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold", "W_skip")
STATISTICS = ("max_activation", "density")
_CHUNK_ENTRIES = 4_000_000
"""Pre-activations that exist at one time; without effect on results."""


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """Weights that fit their configuration. Raises DictionaryError when they do not, or are not finite.

    Shapes are checked here, always, and not by annotations: weights come from files.
    """

    config: DictionaryConfig
    W_enc: Tensor
    """[F, R, D]"""
    b_enc: Tensor
    """[F]"""
    W_dec: Tensor
    """[F, S, D]"""
    b_dec: Tensor
    """[S, D]"""
    threshold: Tensor | None = None
    """[F]; of jumprelu."""
    W_skip: Tensor | None = None
    """[D, D], output by input."""
    max_activation: Tensor | None = None
    """[F]; the largest activation of each feature on held-out text, 0 where it never fired. None when not measured."""
    density: Tensor | None = None
    """[F]; the share of held-out tokens on which each feature fires. None when not measured."""
    mapped: bool = False
    """`W_dec` lies in a file that is mapped into memory: its rows are checked when they are used."""

    def __post_init__(self) -> None:
        problems = [*self._wrong_parts(), *self._wrong_shapes()]
        if not problems:
            problems = self._not_finite()
        if problems:
            raise DictionaryError(
                f"weights of a dictionary that reads {', '.join(self.config.reads)} were expected to fit it",
                found=", ".join(problems),
            )

    def _wrong_parts(self) -> list[str]:
        problems = []
        if (self.threshold is not None) != (self.config.activation == "jumprelu"):
            has = "no threshold" if self.threshold is None else "a threshold"
            problems.append(f"{has} with activation {self.config.activation}")
        if self.W_skip is not None and self.config.own_write is None:
            problems.append(f"W_skip, though {', '.join(self.config.writes)} is not in the one layer that is read")
        return problems

    def _wrong_shapes(self) -> list[str]:
        F, D = self.config.n_features, self.config.d_model
        R, S = len(self.config.reads), len(self.config.writes)
        expected = {
            "W_enc": (F, R, D),
            "b_enc": (F,),
            "W_dec": (F, S, D),
            "b_dec": (S, D),
            "threshold": (F,),
            "W_skip": (D, D),
            "max_activation": (F,),
            "density": (F,),
        }
        stored = self.tensors() | self.statistics()
        shapes = {name: tuple(tensor.shape) for name, tensor in stored.items()}
        problems = [f"{n} of shape {shapes[n]} where {s} fits" for n, s in expected.items() if shapes.get(n, s) != s]
        return problems + [f"{n} of {t.dtype}" for n, t in stored.items() if not t.is_floating_point()]

    def _not_finite(self) -> list[str]:
        stored = self.tensors() | self.statistics()
        read = {name: tensor for name, tensor in stored.items() if not (self.mapped and name == "W_dec")}
        counts = {name: int((~tensor.isfinite()).sum()) for name, tensor in read.items()}
        return [f"{count} values of {name} that are NaN or infinite" for name, count in counts.items() if count]

    def tensors(self) -> dict[str, Tensor]:
        """The weights that it has, by name."""
        return self._present(WEIGHTS)

    def statistics(self) -> dict[str, Tensor]:
        """What was measured of its features on held-out text, by name; empty when nothing was."""
        return self._present(STATISTICS)

    def _present(self, names: tuple[str, ...]) -> dict[str, Tensor]:
        named = {name: getattr(self, name) for name in names}
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def in_half(self) -> "Dictionary":
        """The same with its matrices in float16: half the space, and each weight off by 1/2048 of itself at most.

        Raises DictionaryError when a weight is too large for float16.
        """
        skip = None if self.W_skip is None else self.W_skip.half()
        return replace(self, W_enc=self.W_enc.half(), W_dec=self.W_dec.half(), W_skip=skip)

    def encode(self, x: Float[Tensor, "P R D"]) -> Codes:
        """The active features of each row, in x's own precision; never more than a few rows x features at once."""
        W_enc, b_enc = self.W_enc.to(x).flatten(1), self.b_enc.to(x)
        threshold = None if self.threshold is None else self.threshold.to(x)
        step = max(1, _CHUNK_ENTRIES // self.config.n_features)
        parts = []
        for start in range(0, len(x), step):
            pre = torch.addmm(b_enc, x[start : start + step].flatten(1), W_enc.T)
            codes = select(pre, self.config.activation, k=self.config.k, threshold=threshold)
            parts.append(codes._replace(rows=codes.rows + start))
        if not parts:
            none = torch.zeros(0, dtype=torch.int64, device=x.device)
            return Codes(none, none, x.new_zeros(0), 0)
        rows, columns, values, _ = zip(*parts, strict=True)
        return Codes(torch.cat(rows), torch.cat(columns), torch.cat(values), len(x))

    def decoders(self, features: Int[Tensor, " K"], like: Tensor) -> Float[Tensor, "K S D"]:
        """What these features write per unit of activation, in the precision and on the device of `like`.

        Only their rows of `W_dec` are read. Raises DictionaryError when they are not finite.
        """
        rows = self.W_dec[features.to(self.W_dec.device)].to(like)
        if self.mapped and rows.numel() and not bool(torch.stack(rows.aminmax()).isfinite().all()):
            bad = features[(~rows.isfinite()).flatten(1).any(1)].tolist()
            raise DictionaryError(
                f"finite decoders were expected in the dictionary that reads {', '.join(self.config.reads)}",
                found=f"NaN or infinity in features {', '.join(map(str, sorted(set(bad))[:5]))}",
            )
        return rows

    def decode(self, codes: Codes) -> Float[Tensor, "P S D"]:
        """What the active features write, without biases."""
        used, local = codes.columns.unique(return_inverse=True)
        rows = self.decoders(used, codes.values)
        shape = (codes.n_rows, *rows.shape[1:])
        if not len(used):
            return codes.values.new_zeros(shape)
        return torch.nn.functional.embedding_bag(
            local, rows.flatten(1), codes.offsets(), mode="sum", per_sample_weights=codes.values
        ).view(shape)

    def reconstruct(self, x: Float[Tensor, "P R D"]) -> Float[Tensor, "P S D"]:
        """Everything the dictionary writes for inputs x: features, biases and skip."""
        return self.write(x, self.encode(x))

    def write(self, x: Float[Tensor, "P R D"], codes: Codes) -> Float[Tensor, "P S D"]:
        """Everything it writes for these codes of x: features, biases and skip."""
        out = self.decode(codes) + self.b_dec.to(x)
        if self.W_skip is not None:
            assert self.config.own_write is not None
            out[:, self.config.own_write] += x[:, 0] @ self.W_skip.to(x).T
        return out

    def after_norm(self, gain: Float[Tensor, " D"], bias: Float[Tensor, " D"] | None) -> "Dictionary":
        """The same function of a norm's output, for a dictionary that reads it before its gain: the gain is folded in.

        With n the norm's output before its gain, x = gain · n + bias, so W n = (W / gain) (x − bias).
        """
        assert self.config.read_form == "before_gain"
        if bool((gain == 0).any()):
            where = ", ".join(map(str, (gain == 0).nonzero()[:, 0].tolist()[:5]))
            raise DictionaryError(
                f"a norm whose gain can be divided by was expected before {', '.join(self.config.reads)}",
                found=f"a gain of 0 in dimension {where}",
            )
        W_enc = self.W_enc.to(gain) / gain
        W_skip = None if self.W_skip is None else self.W_skip.to(gain) / gain
        b_enc, b_dec = self.b_enc.to(gain), self.b_dec.to(gain)
        if bias is not None:
            b_enc = b_enc - (W_enc @ bias).sum(1)
            if W_skip is not None:
                b_dec = b_dec.clone()
                b_dec[self.config.own_write] -= W_skip @ bias
        config = self.config.model_copy(update={"read_form": "site"})
        return replace(self, config=config, W_enc=W_enc, b_enc=b_enc, b_dec=b_dec, W_skip=W_skip)
