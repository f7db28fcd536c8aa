"""Transformers written by hand, so that every edge of their circuit is known before anything is traced.

Both are stock HuggingFace models with compiled weights. The residual stream is split into named logical dimensions; an
attention head copies one-hot symbols, MLP neurons look tables up with a ReLU, the unembedding reads the answer.

    table   <bos> a b =      head 0 copies a to `=`, head 1 copies b; neuron (i, j) of layer 0 fires on the pair and
                             writes entry t(i, j); neuron k of layer 1 reads it and writes the answer k
    hops    <bos> a b =      neuron i of layer 0 fires AT a and writes its group g(i); a head of layer 1 moves the group
                             to `=`; neuron g of layer 1 reads it and writes the answer

In the GPT-2 version every logical dimension is stored as a pair (z, −z), so LayerNorm's centring does nothing; the
constant that thresholds need comes from the position embedding. In the Llama version it comes from the token `=`.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

N = 5
BOS, EQUALS = 0, 2 * N + 1
SHARP = 6.0
"""Attention logits are then more than 200 apart: softmax is one-hot."""


def left(i: int) -> int:
    """Token id of symbol i as first operand."""
    return 1 + i


def right(i: int) -> int:
    """Token id of symbol i as second operand."""
    return 1 + N + i


_GROUPS = {"left": N, "right": N, "equals": 1, "const": 1, "a": N, "b": N, "mid": N, "out": N}
_START = dict(zip(_GROUPS, torch.tensor([0, *_GROUPS.values()]).cumsum(0).tolist(), strict=False))
M = 40
"""Logical dimensions; the last eight hold positions. Values are copied times the norm's scale at an operand, so that a
copy is as large as its original."""


def dim(group: str, i: int = 0) -> int:
    """Number of a logical dimension."""
    return _START[group] + i


class Compiled(NamedTuple):
    """A model and its table; `truth` gives the edges of a prompt as (target id, source id)."""

    model: PreTrainedModel
    program: str
    table: Tensor
    gated: bool

    def prompt(self, a: int, b: int) -> Tensor:
        return torch.tensor([BOS, left(a), right(b), EQUALS])

    def answer(self, a: int, b: int) -> int:
        """Token id of the answer (answers are the first operand's tokens)."""
        return left(int(self.table[a, b]))

    def truth(self, a: int, b: int) -> set[tuple[str, str]]:
        """Every edge between nodes that are not constants."""
        answer = int(self.table[a, b])
        logit, second = f"3_{left(answer)}_3", f"1_{answer}_3"
        token_a, token_b, equals = f"E_{left(a)}_1", f"E_{right(b)}_2", f"E_{EQUALS}_3"
        if self.program == "table":
            first = f"0_{a * N + b}_3"
            edges = {(first, token_a), (first, token_b)}
        else:
            first = f"0_{a}_1"
            edges = {(first, token_a)}
        edges |= {(second, first), (logit, second)}
        if self.gated:
            edges |= {(second, equals)} | ({(first, equals)} if self.program == "table" else set())
        return edges


def _tables(program: str, seed: int) -> Tensor:
    """[N, N] table of answers; for `hops` it depends on the first symbol alone."""
    generator = torch.Generator().manual_seed(seed)
    if program == "table":
        return torch.randint(N, (N, N), generator=generator)
    return torch.randint(N, (N, 1), generator=generator).expand(N, N).clone()


def _neurons(program: str, table: Tensor, layer: int) -> list[tuple[dict[int, float], int]]:
    """For each neuron: the logical dimensions it reads, with weights, and the one it writes."""
    const = dim("const")
    if layer == 1:
        return [({dim("mid" if program == "table" else "a", k): 1.0, const: -0.25}, dim("out", k)) for k in range(N)]
    if program == "table":
        pairs = [(i, j) for i in range(N) for j in range(N)]
        return [({dim("a", i): 1.0, dim("b", j): 1.0, const: -1.5}, dim("mid", int(table[i, j]))) for i, j in pairs]
    return [({dim("left", i): 1.0, const: -0.5}, dim("mid", int(table[i, 0]))) for i in range(N)]


def _copies(program: str, layer: int) -> list[tuple[str, str, int]]:
    """For each head of a layer: copy group X from position P into group Y."""
    if program == "table":
        return [("left", "a", 1), ("right", "b", 2)] if layer == 0 else []
    return [("mid", "a", 1)] if layer == 1 else []


def compile_gpt2(program: str, seed: int) -> Compiled:
    """The GPT-2 version: LayerNorm, ReLU neurons, learned positions that carry the constant."""
    D, heads = 2 * M, 2
    config = GPT2Config(
        n_layer=2, n_embd=D, n_head=heads, vocab_size=2 * N + 2, n_positions=8, n_inner=N * N,
        activation_function="relu", tie_word_embeddings=False, attn_implementation="eager",
        bos_token_id=None, eos_token_id=None, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).double().eval()
    table = _tables(program, seed)
    for parameter in model.parameters():
        parameter.data.zero_()
    body = model.transformer
    for norm in [body.ln_f, *(n for block in body.h for n in (block.ln_1, block.ln_2))]:
        norm.weight.data.fill_(1.0)

    def write(vector: Tensor, logical: int, value: float) -> None:
        vector[logical] += value
        vector[M + logical] -= value

    for i in range(N):
        write(body.wte.weight.data[left(i)], dim("left", i), 1.0)
        write(body.wte.weight.data[right(i)], dim("right", i), 1.0)
        model.lm_head.weight.data[left(i), dim("out", i)] = 20.0
    for position in range(8):
        write(body.wpe.weight.data[position], dim("const"), 1.0)
        write(body.wpe.weight.data[position], M - 8 + position, 1.0)
    E = D // heads
    for layer, block in enumerate(body.h):
        W, out = block.attn.c_attn.weight.data, block.attn.c_proj.weight.data
        for head, (source, destination, position) in enumerate(_copies(program, layer)):
            W[dim("const"), head * E] = SHARP
            W[M - 8 + position, D + head * E] = SHARP
            for i in range(N):
                W[dim(source, i), 2 * D + head * E + i] = (3 / M) ** 0.5
                write(out[head * E + i], dim(destination, i), 1.0)
        for neuron, (reads, writes) in enumerate(_neurons(program, table, layer)):
            for logical, weight in reads.items():
                block.mlp.c_fc.weight.data[logical, neuron] = weight
            write(block.mlp.c_proj.weight.data[neuron], writes, 2.0)
    return Compiled(model, program, table, gated=False)


def compile_llama(program: str, seed: int) -> Compiled:
    """The Llama version: RMSNorm, ReLU-gated neurons whose other factor reads the constant, no positions.

    The residual stream is turned by a random rotation, which RMSNorm does not notice and which spreads every logical
    dimension over all of the model's.
    """
    heads, E = 2, 2 * M // 2
    config = LlamaConfig(
        num_hidden_layers=2, hidden_size=2 * M, num_attention_heads=heads, num_key_value_heads=heads, head_dim=E,
        intermediate_size=N * N, vocab_size=2 * N + 2, max_position_embeddings=8, hidden_act="relu",
        tie_word_embeddings=False, attn_implementation="eager", bos_token_id=0, eos_token_id=None,
        rope_parameters={"rope_type": "default", "rope_theta": 1e12},
    )  # fmt: skip
    model = LlamaForCausalLM(config).double().eval()
    table = _tables(program, seed)
    D = 2 * M
    for name, parameter in model.named_parameters():
        parameter.data.fill_(1.0 if "norm" in name else 0.0)
    rotation = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).Q
    embed = model.model.embed_tokens.weight.data
    for i in range(N):
        embed[left(i), dim("left", i)] = embed[right(i), dim("right", i)] = 1.0
        embed[left(i), dim("const")] = embed[right(i), dim("const")] = 1.0
        model.lm_head.weight.data[left(i), dim("out", i)] = 20.0
    embed[EQUALS, dim("const")] = embed[EQUALS, dim("equals")] = embed[BOS, M] = 1.0
    slow = E // 2 - 1
    """The slowest pair of RoPE: with this base its rotation over eight positions is nil."""
    for layer, block in enumerate(model.model.layers):
        attn, mlp = block.self_attn, block.mlp
        for head, (source, destination, position) in enumerate(_copies(program, layer)):
            at = head * E
            attn.q_proj.weight.data[at + slow, dim("equals")] = SHARP
            operand = "left" if position == 1 else "right"
            for i in range(N):
                attn.k_proj.weight.data[at + slow, dim(operand, i)] = SHARP
                attn.v_proj.weight.data[at + i, dim(source, i)] = (2 / D) ** 0.5
                attn.o_proj.weight.data[dim(destination, i), at + i] = 1.0
        for neuron, (reads, writes) in enumerate(_neurons(program, table, layer)):
            for logical, weight in reads.items():
                mlp.gate_proj.weight.data[neuron, logical] = weight
            mlp.up_proj.weight.data[neuron, dim("const")] = 1.0
            mlp.down_proj.weight.data[writes, neuron] = 2.0
    _rotate(model, rotation)
    return Compiled(model, program, table, gated=True)


def _rotate(model: PreTrainedModel, R: Tensor) -> None:
    """Turn the residual stream: what writes it is multiplied by R, what reads it by the inverse."""
    model.model.embed_tokens.weight.data @= R.T
    model.lm_head.weight.data @= R.T
    for block in model.model.layers:
        attn, mlp = block.self_attn, block.mlp
        for reader in (attn.q_proj, attn.k_proj, attn.v_proj, mlp.gate_proj, mlp.up_proj):
            reader.weight.data @= R.T
        for writer in (attn.o_proj, mlp.down_proj):
            writer.weight.data = R @ writer.weight.data
