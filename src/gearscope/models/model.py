"""A causal language model that can be read, written, frozen and recorded.

    model = open_model("openai-community/gpt2")              # load.py; `wrap(hf_model)` for one in memory
    tokens = model.tokens("The capital of France is")
    model.run(tokens.ids, read=["blocks.3.mlp_out"]).sites   # readings by name, [P, D]
    model.record(tokens.ids)                                 # a FrozenPrompt

Prompts are one-dimensional ids; two-dimensional ids are a batch, and everything then has a leading batch axis.
It knows nothing about dictionaries, targets or graphs.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from gearscope.errors import ConfigError, ModelError, PromptError
from gearscope.ids import SiteId
from gearscope.models import generate as writing
from gearscope.models import tokens as text_tokens
from gearscope.models.anatomy import Anatomy
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.hooks import AllRead, Frozen, hooked
from gearscope.models.mlp import ExpertWeights, MlpWeights
from gearscope.models.record import record
from gearscope.models.selfcheck import check, refuse_not_finite
from gearscope.models.sites import Edit
from gearscope.models.tangent import mlp_tangent
from gearscope.models.tokens import TokenNames, Tokens


class RunResult(NamedTuple):
    """What one forward pass gave."""

    logits: Float[Tensor, "*B P V"]
    sites: dict[str, Tensor]
    """Readings by name of site, after edits."""


def wrap(hf_model: PreTrainedModel, tokenizer: Any | None = None, *, revision: str | None = None) -> "Model":
    """Open a HuggingFace model that is in memory, in place and in evaluation mode.

    Raises ModelError when its family is unknown, when weights are not finite, or when the self-check finds something it
    does not understand.
    """
    anatomy = Anatomy(hf_model.eval())
    refuse_not_finite(hf_model)
    if anatomy.W_U.dtype == torch.float64 and any(parts.experts is not None for parts in anatomy.blocks):
        hf_model.set_experts_implementation("eager")  # the fused matrix products of transformers know no float64
    check(anatomy)
    return Model(anatomy, tokenizer, revision=revision)


class Model:
    """One model, understood. Made by `open_model` or `wrap`, which check it first."""

    def __init__(self, anatomy: Anatomy, tokenizer: Any | None, *, revision: str | None = None) -> None:
        self.anatomy = anatomy
        self.tokenizer = tokenizer
        self.revision = revision
        """Commit of a model that came from the hub; None for one from a folder or from memory."""
        self._names = TokenNames(tokenizer, anatomy.vocab_size)

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.anatomy.blocks)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.anatomy.d_model

    @property
    def n_heads(self) -> int:
        """Attention heads per layer."""
        return self.anatomy.n_heads

    @property
    def vocab_size(self) -> int:
        """Number of tokens the model can predict."""
        return self.anatomy.vocab_size

    @property
    def context(self) -> int:
        """The longest prompt, in tokens."""
        return self.anatomy.context

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return self.anatomy.W_U.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.anatomy.W_U.device

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of the SHA-256 over the configuration and every weight, by name."""
        config = {k: v for k, v in self.anatomy.hf.config.to_dict().items() if k not in _NOT_THE_MODEL}
        digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
        for name, weight in sorted(self.anatomy.hf.state_dict().items()):
            digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
            digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()[:16]

    def tokens(self, prompt: str | Sequence[int] | Tensor, *, chat: bool = False) -> Tokens:
        """A prompt as ids and readable strings, under the BOS policy of `tokens.py`; ids are used as they are.

        Raises PromptError when it is empty, unknown, too long, or needs a tokenizer that is not there.
        """
        if isinstance(prompt, str):
            if self.tokenizer is None:
                raise PromptError("token ids were expected, as this model has no tokenizer", found="text")
            encode = text_tokens.encode_chat if chat else text_tokens.encode
            found: Sequence[int] | Tensor = encode(self.tokenizer, prompt)
        elif chat:
            raise PromptError("a chat prompt is text", found="token ids")
        else:
            found = prompt
        ids = text_tokens.as_tensor(found, n_tokens=self._n_input_tokens, context=self.context)
        shown = tuple(self._names[i] if i < len(self._names) else f"[{i}]" for i in ids.tolist())
        return Tokens(ids.to(self.device), shown, prompt if isinstance(prompt, str) else "".join(shown))

    def token_names(self) -> Sequence[str]:
        """A readable string for every token; without a tokenizer, its number."""
        return self._names

    def tokens_in_text(self) -> list[str]:
        """The string of every token as it stands behind a word, with the space before it."""
        return text_tokens.in_text(self.tokenizer, self._names)

    def token_id(self, text: str) -> int:
        """The one token named by `text`, with or without the space that begins a word. Raises TargetError."""
        return text_tokens.token_id(self.tokenizer, self._names, text)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Tokens that end this model's texts: those at which its own settings stop writing, else the tokenizer's."""
        settings = getattr(self.anatomy.hf, "generation_config", None)
        ends = getattr(settings, "eos_token_id", None)
        if ends is None and self.tokenizer is not None:
            ends = self.tokenizer.eos_token_id
        return tuple(ends) if isinstance(ends, list) else () if ends is None else (ends,)

    def text(self, ids: Sequence[int]) -> str:
        """What some token ids say."""
        return text_tokens.decode(self.tokenizer, self._names, ids)

    def run(
        self,
        ids: Int[Tensor, "*B P"],
        *,
        read: Sequence[SiteId | str] = (),
        edits: Sequence[Edit] = (),
        freeze: Frozen | None = None,
        differentiable: bool = False,
    ) -> RunResult:
        """One forward pass. `differentiable` keeps the graph from edits and readings to the logits.

        Raises PromptError, ConfigError for a site that does not exist or a value that does not fit.
        """
        ids = ids.to(self.device)
        if freeze is not None and freeze.record.n_positions != ids.shape[-1]:
            length = freeze.record.n_positions
            raise ConfigError(f"a prompt of the record's {length} tokens was expected", found=f"{ids.shape[-1]}")
        rows = torch.atleast_2d(ids)
        self._check(rows)
        batched = ids.ndim == 2
        with (
            torch.set_grad_enabled(differentiable),
            hooked(self.anatomy, read=read, edits=edits, freeze=freeze, batched=batched) as sites,
        ):
            logits = self.anatomy.forward(rows)
        return RunResult(logits if batched else logits[0], sites)

    def read(self, ids: Int[Tensor, "B P"], sites: Sequence[SiteId | str]) -> dict[str, Tensor]:
        """Readings [B, P, D] by name of site, from one forward pass that ends behind the last of them.

        Raises PromptError, and ConfigError for a site that does not exist.
        """
        self._check(ids)
        with (
            torch.no_grad(),
            hooked(self.anatomy, read=sites, stop=bool(sites)) as found,
            suppress(AllRead),
        ):
            self.anatomy.forward(ids.to(self.device))
        return found

    def generate(
        self,
        prompt: str | Sequence[int] | Tensor,
        max_new_tokens: int,
        *,
        edits: Sequence[Edit] = (),
        read: Sequence[SiteId | str] = (),
        use_cache: bool = True,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
        chat: bool = False,
    ) -> Iterator[writing.Step]:
        """Write after a prompt, one `Step` per token; ends with the tokenizer's end token or the model's context.

        Raises PromptError and ConfigError before the first token.
        """
        ids = self.tokens(prompt, chat=chat).ids
        eos = None if self.tokenizer is None else self.tokenizer.eos_token_id
        return writing.generate(
            self.anatomy,
            ids,
            max_new_tokens,
            edits=edits,
            read=read,
            use_cache=use_cache,
            temperature=temperature,
            generator=generator,
            stop=() if eos is None else (eos,),
        )

    def record(self, ids: Int[Tensor, " P"]) -> FrozenPrompt:
        """One forward pass as a frozen linear map. A special token at the first position makes it constant.

        Raises PromptError; ModelError for a model in half precision, and where something is not finite.
        """
        if self.dtype not in (torch.float32, torch.float64):
            hint = "sums over thousands of paths need it; open the model with --dtype float32"
            raise ModelError("attribution needs a model in float32 or float64", found=str(self.dtype), hint=hint)
        ids = text_tokens.as_tensor(ids, n_tokens=self._n_input_tokens, context=self.context).to(self.device)
        prompt = record(self.anatomy, ids, n_constant_positions=int(int(ids[0]) in self._special_ids))
        if not bool(prompt.final_in.isfinite().all()):
            refuse_not_finite(self.anatomy.hf)
            hint = "open it in float64, or give another prompt"
            raise ModelError("finite activations were expected", found=_first_bad(prompt), hint=hint)
        return prompt

    def mlp_tangent(self, layer: int, x: Float[Tensor, "P D"], v: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        """How the output of a layer's MLP moves when its inputs `x` move along `v`, token by token."""
        return mlp_tangent(self.anatomy, layer, x, v)

    def neurons(self, layer: int) -> MlpWeights | ExpertWeights:
        """The MLP weights of one layer, those of all its experts where it is routed."""
        return self.anatomy.neurons(layer)

    def _check(self, ids: Int[Tensor, "B P"]) -> None:
        """Raise PromptError for tokens that the model has not, or too many of them."""
        for row in ids:
            text_tokens.as_tensor(row, n_tokens=self._n_input_tokens, context=self.context)

    @property
    def _n_input_tokens(self) -> int:
        return self.anatomy.n_input_tokens

    @cached_property
    def _special_ids(self) -> set[int]:
        """Tokens that begin texts: the tokenizer's special ones, or those that the configuration names."""
        if self.tokenizer is not None:
            return text_tokens.special_ids(self.tokenizer)
        config = self.anatomy.hf.config
        named = [getattr(config, f"{role}_token_id", None) for role in ("bos", "pad", "eos")]
        return {i for role in named for i in (role if isinstance(role, list) else [role]) if i is not None}


def _first_bad(prompt: FrozenPrompt) -> str:
    """Where the first number stands that is none."""
    layers = [i for i, block in enumerate(prompt.blocks) if not bool((block.mlp_in + block.mlp_out).isfinite().all())]
    return f"NaN or infinity in {f'layer {layers[0]}' if layers else 'the final norm'}"


_NOT_THE_MODEL = {"transformers_version", "dtype", "_name_or_path", "architectures", "use_cache", "torch_dtype"}
"""Entries of a configuration that do not change what the model computes (weights carry their own type)."""
