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

_NAMES = {
    "gpt2": {
        "embed": "transformer.wte",
        "layer": "transformer.h",
        "final": "transformer.ln_f",
        "norm1": "ln_1",
        "norm2": "ln_2",
        "attn": "attn",
        "o": "attn.c_proj",
        "in": "mlp.c_fc",
        "out": "mlp.c_proj",
    },
    "gpt_neox": {
        "embed": "gpt_neox.embed_in",
        "layer": "gpt_neox.layers",
        "final": "gpt_neox.final_layer_norm",
        "norm1": "input_layernorm",
        "norm2": "post_attention_layernorm",
        "attn": "attention",
        "o": "attention.dense",
        "in": "mlp.dense_h_to_4h",
        "out": "mlp.dense_4h_to_h",
    },
}
_LLAMA_NAMES = {
    "embed": "model.embed_tokens",
    "layer": "model.layers",
    "final": "model.norm",
    "norm1": "input_layernorm",
    "norm2": "post_attention_layernorm",
    "attn": "self_attn",
    "o": "self_attn.o_proj",
    "out": "mlp.down_proj",
}


def reference(model: PreTrainedModel, ids: Tensor, change: Mapping[str, Change] | None = None) -> dict[str, Tensor]:
    """Every site of one prompt, by name; `logits` among them."""
    return _Pass(model, change or {}).run(ids)


class _Pass:
    def __init__(self, model: PreTrainedModel, change: Mapping[str, Change]) -> None:
        self.W = {name: weight.double() for name, weight in model.state_dict().items()}
        self.c, self.kind, self.change = model.config, model.config.model_type, change
        self.name = _NAMES.get(self.kind, _LLAMA_NAMES)
        self.gemma = self.kind.startswith("gemma")
        self.parallel = self.kind == "gpt_neox" and self.c.use_parallel_residual
        self.sites: dict[str, Tensor] = {}

    def at(self, name: str, x: Tensor) -> Tensor:
        self.sites[name] = self.change[name](x) if name in self.change else x
        return self.sites[name]

    def linear(self, name: str, x: Tensor) -> Tensor:
        y = x @ (self.W[f"{name}.weight"] if self.kind == "gpt2" else self.W[f"{name}.weight"].T)
        return y + self.W[f"{name}.bias"] if f"{name}.bias" in self.W else y

    def norm(self, name: str, x: Tensor) -> Tensor:
        w = self.W[f"{name}.weight"]
        if self.kind in ("gpt2", "gpt_neox"):
            epsilon = self.c.layer_norm_epsilon if self.kind == "gpt2" else self.c.layer_norm_eps
            x = x - x.mean(-1, keepdim=True)
            return x / (x**2).mean(-1, keepdim=True).add(epsilon).sqrt() * w + self.W[f"{name}.bias"]
        x = x / (x**2).mean(-1, keepdim=True).add(self.c.rms_norm_eps).sqrt()
        return x * (1 + w) if self.gemma else x * w

    def run(self, ids: Tensor) -> dict[str, Tensor]:
        x = self.W[self.name["embed"] + ".weight"][ids]
        if self.gemma:
            x = x * torch.tensor(self.c.hidden_size**0.5, dtype=torch.float32).double()
        x = self.at("embed", x)
        if self.kind == "gpt2":
            x = x + self.W["transformer.wpe.weight"][: len(ids)]
        for layer in range(self.c.num_hidden_layers):
            x = self.block(layer, x)
        x = self.at("final_in", self.norm(self.name["final"], x))
        logits = x @ self.W["lm_head.weight"].T
        cap = getattr(self.c, "final_logit_softcapping", None)
        self.at("logits", logits if cap is None else cap * torch.tanh(logits / cap))
        return self.sites

    def block(self, layer: int, x: Tensor) -> Tensor:
        site, root = f"blocks.{layer}.", f"{self.name['layer']}.{layer}."
        x = self.at(site + "resid_pre", x)
        a = self.at(site + "attn_in", self.norm(root + self.name["norm1"], x))
        a = self.attention(layer, site, root, a)
        a = self.norm(root + "post_attention_layernorm", a) if self.gemma else a
        a = self.at(site + "attn_out", a)
        middle = x + a if self.parallel else self.at(site + "resid_mid", x + a)
        name = "pre_feedforward_layernorm" if self.gemma else self.name["norm2"]
        m = self.at(site + "mlp_in", self.norm(root + name, x if self.parallel else middle))
        routed = any(name.startswith(root + "mlp.experts") for name in self.W)
        m = self.routed(site, root + "mlp.", m) if routed else self.mlp(site, root, m)
        m = self.at(site + "mlp_raw", m)
        m = self.norm(root + "post_feedforward_layernorm", m) if self.gemma else m
        return self.at(site + "resid_post", middle + self.at(site + "mlp_out", m))

    def mlp(self, site: str, root: str, m: Tensor) -> Tensor:
        if "in" in self.name:
            m = self.act(self.linear(root + self.name["in"], m))
        else:
            m = self.act(self.linear(root + "mlp.gate_proj", m)) * self.linear(root + "mlp.up_proj", m)
        return self.linear(root + self.name["out"], self.at(site + "mlp_act", m))

    def routed(self, site: str, root: str, m: Tensor) -> Tensor:
        """Experts one by one, each at every token; the router's weights make those that were not chosen vanish."""
        oss = self.kind == "gpt_oss"
        logits = self.linear(root + ("router" if oss else "gate"), m)
        best = logits.topk(self.c.num_experts_per_tok, dim=-1).indices
        chosen = torch.zeros_like(logits, dtype=torch.bool).scatter(1, best, True)
        if self.kind == "qwen3_moe" and not self.c.norm_topk_prob:
            weights = logits.softmax(-1) * chosen
        else:
            weights = logits.masked_fill(~chosen, -math.inf).softmax(-1)
        weights = self.at(site + "routing", weights)
        both, down = self.W[root + "experts.gate_up_proj"], self.W[root + "experts.down_proj"]
        acts, n_experts = [], logits.shape[-1]
        for e in range(n_experts):
            if oss:
                inner = m @ both[e] + self.W[root + "experts.gate_up_proj_bias"][e]
                gate = inner[:, 0::2].clamp(max=self.c.swiglu_limit)
                up = inner[:, 1::2].clamp(-self.c.swiglu_limit, self.c.swiglu_limit)
                f = gate * torch.sigmoid(self.c.swiglu_alpha * gate) * (up + 1)
            else:
                gate, up = (m @ both[e].T).chunk(2, dim=-1)
                f = self.act(gate) * up
            acts.append(f * (weights[:, e, None] != 0))
        acts = self.at(site + "mlp_act", torch.cat(acts, dim=-1)).chunk(n_experts, dim=-1)
        out = torch.zeros_like(m)
        for e, f in enumerate(acts):
            written = f @ down[e] + self.W[root + "experts.down_proj_bias"][e] if oss else f @ down[e].T
            out = out + weights[:, e, None] * written
        return out

    def act(self, x: Tensor) -> Tensor:
        kind = next(
            getattr(self.c, name)
            for name in ("activation_function", "hidden_activation", "hidden_act")
            if getattr(self.c, name, None) is not None
        )
        if kind == "silu":
            return x * torch.sigmoid(x)
        if kind == "relu":
            return x.clamp_min(0)
        if kind == "gelu":
            return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
        assert kind in ("gelu_new", "gelu_pytorch_tanh"), kind
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    def split(self, root: str, a: Tensor) -> list[Tensor]:
        """Queries, keys and values, as [P, heads, E]."""
        P, H = len(a), self.c.num_attention_heads
        if self.kind == "gpt2":
            return [part.reshape(P, H, -1) for part in self.linear(root + "attn.c_attn", a).chunk(3, dim=-1)]
        if self.kind == "gpt_neox":  # each head holds its query, key and value side by side
            fused = self.linear(root + "attention.query_key_value", a).reshape(P, H, -1)
            return list(fused.split(fused.shape[-1] // 3, dim=-1))
        heads = {"q": H, "k": self.c.num_key_value_heads, "v": self.c.num_key_value_heads}
        return [self.linear(f"{root}self_attn.{name}_proj", a).reshape(P, n, -1) for name, n in heads.items()]

    def attention(self, layer: int, site: str, root: str, a: Tensor) -> Tensor:
        P, H = len(a), self.c.num_attention_heads
        parts = zip("qkv", self.split(root, a), strict=True)
        q, k, v = (self.at(site + name, part).transpose(0, 1) for name, part in parts)
        E = q.shape[-1]
        if f"{root}self_attn.q_norm.weight" in self.W:
            q, k = self.norm(root + "self_attn.q_norm", q), self.norm(root + "self_attn.k_norm", k)
        scale = self.c.query_pre_attn_scalar**-0.5 if self.gemma else E**-0.5
        if self.kind == "gpt2" and self.c.scale_attn_by_inverse_layer_idx:
            scale /= layer + 1
        types = getattr(self.c, "layer_types", None)
        if self.kind != "gpt2":
            q, k = (self.rotate(x, None if types is None else types[layer]) for x in (q, k))
        scores = torch.einsum("hqe,hke->hqk", q, k.repeat_interleave(H // len(k), 0)) * scale
        cap = getattr(self.c, "attn_logit_softcapping", None)
        scores = scores if cap is None else cap * torch.tanh(scores / cap)
        distance = torch.arange(P)[:, None] - torch.arange(P)[None, :]
        hidden = distance < 0
        window = getattr(self.c, "sliding_window", None)
        if window is not None and (types is None or types[layer] == "sliding_attention"):
            hidden = hidden | (distance >= window)
        scores = scores.masked_fill(hidden, -math.inf)
        if f"{root}self_attn.sinks" in self.W:
            sinks = self.W[f"{root}self_attn.sinks"][:, None, None].expand(H, P, 1)
            scores = torch.cat([scores, sinks], dim=-1)
        pattern = self.at(site + "pattern", scores.softmax(-1)[..., :P])
        z = torch.einsum("hqk,hke->qhe", pattern, v.repeat_interleave(H // len(v), 0))
        return self.linear(root + self.name["o"], self.at(site + "z", z).reshape(P, -1))

    def rotate(self, x: Tensor, layer_type: str | None) -> Tensor:
        """Rotary embedding of the first part of each head, halves paired; angles in float32, as models are trained."""
        rope = self.c.rope_parameters
        rope = rope if "rope_theta" in rope else rope[layer_type]
        width = int(x.shape[-1] * rope.get("partial_rotary_factor", 1.0))
        half = width // 2
        slow = 1.0 / rope["rope_theta"] ** (torch.arange(0, width, 2, dtype=torch.float32) / width)
        angle = torch.arange(x.shape[1], dtype=torch.float32)[:, None] * slow
        cos, sin = angle.cos().double(), angle.sin().double()
        a, b, rest = x[..., :half], x[..., half:width], x[..., width:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], -1)
