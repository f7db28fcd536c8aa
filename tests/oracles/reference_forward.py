"""A forward pass of each family written from the papers, in plain float64 tensor algebra, with every site in hand.

It shares nothing with the package or with transformers but the weights. `change` maps names of sites to functions that
replace what stands there; later values follow.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

Change = Callable[[Tensor], Tensor]


def reference(model: PreTrainedModel, ids: Tensor, change: Mapping[str, Change] | None = None) -> dict[str, Tensor]:
    """Every site of one prompt, by name; `logits` among them."""
    return _Pass(model, change or {}).run(ids)


class _Pass:
    def __init__(self, model: PreTrainedModel, change: Mapping[str, Change]) -> None:
        self.W = {name: weight.double() for name, weight in model.state_dict().items()}
        self.c, self.kind, self.change = model.config, model.config.model_type, change
        self.sites: dict[str, Tensor] = {}

    def at(self, name: str, x: Tensor) -> Tensor:
        self.sites[name] = self.change[name](x) if name in self.change else x
        return self.sites[name]

    def linear(self, name: str, x: Tensor) -> Tensor:
        y = x @ (self.W[f"{name}.weight"] if self.kind == "gpt2" else self.W[f"{name}.weight"].T)
        return y + self.W[f"{name}.bias"] if f"{name}.bias" in self.W else y

    def norm(self, name: str, x: Tensor) -> Tensor:
        w = self.W[f"{name}.weight"]
        if self.kind == "gpt2":
            x = x - x.mean(-1, keepdim=True)
            return x / (x**2).mean(-1, keepdim=True).add(self.c.layer_norm_epsilon).sqrt() * w + self.W[f"{name}.bias"]
        x = x / (x**2).mean(-1, keepdim=True).add(self.c.rms_norm_eps).sqrt()
        return x * (1 + w) if self.kind == "gemma2" else x * w

    def run(self, ids: Tensor) -> dict[str, Tensor]:
        gpt2 = self.kind == "gpt2"
        x = self.W["transformer.wte.weight" if gpt2 else "model.embed_tokens.weight"][ids]
        if self.kind == "gemma2":
            x = x * torch.tensor(self.c.hidden_size**0.5, dtype=torch.float32).double()
        x = self.at("embed", x)
        if gpt2:
            x = x + self.W["transformer.wpe.weight"][: len(ids)]
        for layer in range(self.c.num_hidden_layers):
            x = self.block(layer, x)
        x = self.at("final_in", self.norm("transformer.ln_f" if gpt2 else "model.norm", x))
        logits = x @ self.W["lm_head.weight"].T
        cap = getattr(self.c, "final_logit_softcapping", None)
        self.at("logits", logits if cap is None else cap * torch.tanh(logits / cap))
        return self.sites

    def block(self, layer: int, x: Tensor) -> Tensor:
        site = f"blocks.{layer}."
        gpt2, gemma = self.kind == "gpt2", self.kind == "gemma2"
        root = f"transformer.h.{layer}." if gpt2 else f"model.layers.{layer}."
        x = self.at(site + "resid_pre", x)
        a = self.at(site + "attn_in", self.norm(root + ("ln_1" if gpt2 else "input_layernorm"), x))
        a = self.attention(layer, site, root, a)
        a = self.norm(root + "post_attention_layernorm", a) if gemma else a
        x = self.at(site + "resid_mid", x + self.at(site + "attn_out", a))
        name = "ln_2" if gpt2 else "pre_feedforward_layernorm" if gemma else "post_attention_layernorm"
        m = self.at(site + "mlp_in", self.norm(root + name, x))
        if gpt2:
            m = self.act(self.linear(root + "mlp.c_fc", m))
        else:
            m = self.act(self.linear(root + "mlp.gate_proj", m)) * self.linear(root + "mlp.up_proj", m)
        m = self.linear(root + ("mlp.c_proj" if gpt2 else "mlp.down_proj"), self.at(site + "mlp_act", m))
        m = self.norm(root + "post_feedforward_layernorm", m) if gemma else m
        return self.at(site + "resid_post", x + self.at(site + "mlp_out", m))

    def act(self, x: Tensor) -> Tensor:
        if self.kind in ("llama", "mistral"):
            return x * torch.sigmoid(x)
        if self.kind == "gpt2" and self.c.activation_function == "relu":
            return x.clamp_min(0)
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    def attention(self, layer: int, site: str, root: str, a: Tensor) -> Tensor:
        P, H = len(a), self.c.num_attention_heads
        if self.kind == "gpt2":
            parts = self.linear(root + "attn.c_attn", a).chunk(3, dim=-1)
            heads = (H, H, H)
        else:
            parts = [self.linear(f"{root}self_attn.{name}_proj", a) for name in "qkv"]
            heads = (H, self.c.num_key_value_heads, self.c.num_key_value_heads)
        q, k, v = (
            self.at(site + name, part.reshape(P, n, -1)).transpose(0, 1)
            for name, part, n in zip("qkv", parts, heads, strict=True)
        )
        E = q.shape[-1]
        scale = E**-0.5
        if self.kind == "gemma2":
            scale = self.c.query_pre_attn_scalar**-0.5
        if self.kind == "gpt2" and self.c.scale_attn_by_inverse_layer_idx:
            scale /= layer + 1
        if self.kind != "gpt2":
            q, k = self.rotate(q), self.rotate(k)
        scores = torch.einsum("hqe,hke->hqk", q, k.repeat_interleave(H // len(k), 0)) * scale
        cap = getattr(self.c, "attn_logit_softcapping", None)
        scores = scores if cap is None else cap * torch.tanh(scores / cap)
        distance = torch.arange(P)[:, None] - torch.arange(P)[None, :]
        hidden = distance < 0
        types = getattr(self.c, "layer_types", None)
        window = getattr(self.c, "sliding_window", None)
        if window is not None and (types is None or types[layer] == "sliding_attention"):
            hidden = hidden | (distance >= window)
        pattern = self.at(site + "pattern", scores.masked_fill(hidden, -math.inf).softmax(-1))
        z = torch.einsum("hqk,hke->qhe", pattern, v.repeat_interleave(H // len(v), 0))
        z = self.at(site + "z", z).reshape(P, -1)
        return self.linear(root + ("attn.c_proj" if self.kind == "gpt2" else "self_attn.o_proj"), z)

    def rotate(self, x: Tensor) -> Tensor:
        """Rotary embedding, halves paired; angles in float32 as the models are trained with."""
        half = x.shape[-1] // 2
        theta = self.c.rope_parameters["rope_theta"]
        slow = 1.0 / theta ** (torch.arange(0, 2 * half, 2, dtype=torch.float32) / (2 * half))
        angle = torch.arange(x.shape[1], dtype=torch.float32)[:, None] * slow
        cos, sin = angle.cos().double(), angle.sin().double()
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
