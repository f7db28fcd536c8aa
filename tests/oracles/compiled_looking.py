"""GPT-2 models written by hand whose answer depends on where a head looks, so that the pairs which decide are known.

    induction   <bos> aunt sally uncle bob aunt -> sally       the last head asks with the token `aunt`; a key is what
                                                               the head before it copied from the token before
    choice      <bos> (a) red (b) blue sky -> (b)              a neuron of layer 0 fires at `sky` and writes its colour,
                                                               which asks; a key is the token of a colour; the answer is
                                                               the letter that was copied to it

Layer 0, head 0 copies from the position before; layer 1, head 0 looks and copies its answer to the output. Every
logical dimension is stored as a pair (z, −z), so LayerNorm's centring does nothing.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

N, PLACES = 4, 8
BOS = 0
SHARP, LOOK = 5.0, 3.0
"""Sizes of queries and keys: the copying head is one-hot, the looking head nearly."""


def asker(i: int) -> int:
    """`aunt`, or the letter of a choice."""
    return 1 + i


def asked(i: int) -> int:
    """`sally`, or a colour."""
    return 1 + N + i


def word(i: int) -> int:
    """`sky`: a word whose colour a neuron knows."""
    return 1 + 2 * N + i


_GROUPS = ("asker", "asked", "word", "before", "wanted", "out")
CONST = len(_GROUPS) * N
M = CONST + 1 + PLACES


def dim(group: str, i: int) -> int:
    """Number of a logical dimension."""
    return _GROUPS.index(group) * N + i


class Looker(NamedTuple):
    """A model, its program, and the colour of each word."""

    model: GPT2LMHeadModel
    program: str
    colour: list[int]

    def prompt(self, first: tuple[int, int], second: tuple[int, int], asks: int) -> list[int]:
        """Two pairs (asker, asked), and what asks: an asker, or for `choice` a word."""
        pairs = [asker(first[0]), asked(first[1]), asker(second[0]), asked(second[1])]
        return [BOS, *pairs, asker(asks) if self.program == "induction" else word(asks)]


def compile_looker(program: str, seed: int) -> Looker:
    """The model of one program; the seed draws which word has which colour."""
    colour = torch.randperm(N, generator=torch.Generator().manual_seed(seed)).tolist()
    D = 2 * M + (-2 * M) % 4
    config = GPT2Config(
        n_layer=2, n_embd=D, n_head=2, vocab_size=1 + 3 * N, n_positions=PLACES, n_inner=N,
        activation_function="relu", tie_word_embeddings=False, attn_implementation="eager",
        bos_token_id=0, eos_token_id=None, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).double().eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    body = model.transformer
    for norm in [body.ln_f, *(n for block in body.h for n in (block.ln_1, block.ln_2))]:
        norm.weight.fill_(1.0)
    for i in range(N):
        for token, group in ((asker(i), "asker"), (asked(i), "asked"), (word(i), "word")):
            _write(body.wte.weight[token], dim(group, i), 1.0)
    for position in range(PLACES):
        _write(body.wpe.weight[position], CONST, 1.0)
        _write(body.wpe.weight[position], CONST + 1 + position, 1.0)
    _heads(body, program, D)
    for i in range(N):
        body.h[0].mlp.c_fc.weight[dim("word", i), i] = 1.0
        body.h[0].mlp.c_fc.weight[CONST, i] = -0.5
        _write(body.h[0].mlp.c_proj.weight[i], dim("wanted", colour[i]), 1.0)
        answer = asked(i) if program == "induction" else asker(i)
        model.lm_head.weight[answer, dim("out", i)] = 4.0
    return Looker(model, program, colour)


def _heads(body, program: str, D: int) -> None:
    copying, looking = body.h[0].attn, body.h[1].attn
    for place in range(PLACES - 1):
        copying.c_attn.weight[CONST + 2 + place, place] = SHARP
        copying.c_attn.weight[CONST + 1 + place, D + place] = SHARP
    asks, keys, moves = (
        ("asker", "before", "asked") if program == "induction" else ("wanted", "asked", "before")
    )  # fmt: skip
    for i in range(N):
        copying.c_attn.weight[dim("asker", i), 2 * D + i] = 0.3
        _write(copying.c_proj.weight[i], dim("before", i), 1.0)
        looking.c_attn.weight[dim(asks, i), i] = LOOK
        looking.c_attn.weight[dim(keys, i), D + i] = LOOK
        looking.c_attn.weight[dim(moves, i), 2 * D + i] = 1.0
        _write(looking.c_proj.weight[i], dim("out", i), 1.0)


def _write(vector: Tensor, logical: int, value: float) -> None:
    vector[logical] += value
    vector[M + logical] -= value
