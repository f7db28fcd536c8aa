"""How training divides among processes: bytes, products and communication of a step, counted and calculated.

    python benchmarks/scale.py                 counts small runs on 1 and 2 processes, then calculates large ones
    python benchmarks/scale.py --only-large    the calculation alone

A small run is counted as it happens: every tensor of weights, gradients and optimiser, every byte that a process hands
to a collective. Beside each count stands what the formulas below say; where they agree, the same formulas give the rows
that no machine here could hold. Products are multiply-adds times two, on one token:

    encoder     2 Σ_c F R D         the only dense product
    the rest    2 Σ_c k (W D + W D + W D + R D)      decoding, gradients of decoder, values and encoder: k rows each
    memory      16 (Σ_c F (R D + W D + 1)) / n       weight, gradient and two moments, float32
    values      4 k P Σ_c / share    kept candidates of a batch, gathered (batch top-k; share: how many were needed)
    batch       4 P D (M + 4 S)      activations of the M sites; targets, what is left, what is added, its gradient
    sums        4 P S D              partial sums of what is written, added over all processes; twice where layers' own
                                     features are trained first (cross-layer transcoders)

Per dictionary c with R sites read and W written; P tokens, S sites written by all, n processes.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from math import ceil
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from measure import Measured

from gearscope.dictionaries.training.config import Kind, Layout, TrainingConfig, layout_of
from gearscope.dictionaries.training.gradient import take_gradient
from gearscope.dictionaries.training.schedule import make_optimizer
from gearscope.dictionaries.training.shards import started
from gearscope.dictionaries.training.weights import begin_selection, first_weights, scaling_of

STEPS = 6
ACCELERATOR_BYTES, FILLED = 80e9, 0.9
"""Memory of one accelerator, and the share of it that a run may fill."""


@dataclass(frozen=True)
class Shape:
    """One run."""

    kind: Kind
    layers: int
    width: int
    features: int
    """Of each dictionary."""
    k: int
    batch: int
    processes: int

    @property
    def layout(self) -> Layout:
        config = TrainingConfig(kind=self.kind, n_features=self.features, k=self.k, batch_tokens=self.batch)
        return layout_of(config, self.layers)

    @property
    def total(self) -> int:
        return self.features * len(self.layout.coders)


def calculated(shape: Shape, share: float = 0.97) -> dict[str, float]:
    """What the formulas say, per process and step (products: per token, all processes)."""
    D, P = shape.width, shape.batch
    coders = [(len(plan.reads), len(plan.writes)) for plan in shape.layout.coders]
    rounds = 2 if shape.kind == "clt" else 1
    weights = sum(shape.features * ((reads + writes) * D + 1) for reads, writes in coders)
    return {
        "encoder_products": float(2 * sum(shape.features * reads * D for reads, _ in coders)),
        "other_products": float(2 * sum(shape.k * D * (3 * writes + reads) for reads, writes in coders)),
        "state_bytes": 16 * weights / shape.processes,
        "batch_bytes": 4.0 * P * D * (len(shape.layout.sites) + 4 * len(shape.layout.targets)),
        "values_bytes": 0.0 if shape.processes == 1 else 4 * shape.k * P * len(coders) / share / shape.processes,
        "sums_bytes": 0.0 if shape.processes == 1 else 4.0 * rounds * P * len(shape.layout.targets) * D,
    }


class Counted:
    """Bytes that this process hands to collectives, by what they are."""

    def __init__(self) -> None:
        self.values = self.sums = self.numbers = 0
        self._gather, self._reduce = dist.all_gather, dist.all_reduce
        patch.multiple(dist, all_gather=self.gather, all_reduce=self.reduce).start()

    def gather(self, parts: list[torch.Tensor], tensor: torch.Tensor, **rest: Any) -> Any:
        if tensor.numel() > 1:
            self.values += tensor.nbytes
        else:
            self.numbers += tensor.nbytes
        return self._gather(parts, tensor, **rest)

    def reduce(self, tensor: torch.Tensor, **rest: Any) -> Any:
        if tensor.ndim == 3:
            self.sums += tensor.nbytes
        else:
            self.numbers += tensor.nbytes
        return self._reduce(tensor, **rest)


def count(shape: Shape) -> dict[str, float]:
    """One small run on random activations, counted in this process."""
    torch.manual_seed(0)
    config = TrainingConfig(kind=shape.kind, n_features=shape.features, k=shape.k, batch_tokens=shape.batch)
    layout, shards, counted = shape.layout, started(), Counted()
    acts = torch.randn(shape.batch, len(layout.sites), shape.width) @ torch.randn(shape.width, shape.width)
    scaling = scaling_of(acts)
    weights = first_weights(layout, scaling.written(acts), torch.Generator().manual_seed(0))
    begin_selection(weights, config, scaling.read(acts))
    if shards.count > 1:
        weights = weights.block(*shards.block(shape.features))
    tensors = list(weights.named().values())
    optimizer = make_optimizer(config, tensors)
    x, y = scaling.read(acts), scaling.written(acts)[:, list(layout.targets)]
    bounds, dead = (
        (None,) * len(layout.coders),
        [coder.b_enc.new_zeros(len(coder.b_enc)) > 0 for coder in weights.coders],
    )
    with Measured() as measured:
        for step in range(STEPS):
            if step == 1:  # the first step finds its bounds from a sample
                counted.values = counted.sums = counted.numbers = 0
            bounds = take_gradient(weights, x, y, config, bounds, dead, step, shards=shards).bounds
            optimizer.step()
    state = [moment for tensor in tensors for moment in optimizer.state[tensor].values() if moment.ndim]
    kept = tensors + [tensor.grad for tensor in tensors if tensor.grad is not None] + state
    return {
        "state_bytes": float(sum(tensor.nbytes for tensor in kept)),
        "values_bytes": counted.values / (STEPS - 1),
        "sums_bytes": counted.sums / (STEPS - 1),
        "numbers_bytes": counted.numbers / (STEPS - 1),
        "cpu_seconds": measured.cpu_seconds / STEPS,
    }


def run_counted(shape: Shape) -> dict[str, float]:
    """`count` in as many processes as the shape says; the largest of each figure."""
    fields = [str(value) for value in vars(shape).values()]
    command = [sys.executable, __file__, "--count", *fields]
    if shape.processes > 1:
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(shape.processes)]
        command = [sys.executable, *launch, __file__, "--count", *fields]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    found = [json.loads(one) for one in re.findall(r"\{[^}]*\}", done.stdout)]
    return {name: max(one[name] for one in found) for name in found[0]}


SMALL = (
    Shape("sae", 1, 128, 4096, 32, 4096, 1),
    Shape("sae", 1, 128, 4096, 32, 4096, 2),
    Shape("transcoder", 4, 128, 2048, 16, 2048, 2),
    Shape("clt", 4, 128, 2048, 16, 2048, 1),
    Shape("clt", 4, 128, 2048, 16, 2048, 2),
)
LARGE = (
    Shape("sae", 1, 4096, 1_000_000, 64, 4096, 1),
    Shape("sae", 1, 4096, 30_000_000, 64, 4096, 1),
    Shape("transcoder", 30, 4096, 1_000_000, 64, 4096, 1),
    Shape("clt", 30, 4096, 1_000_000, 64, 4096, 1),
)
"""`processes` is found: as few accelerators as hold the run."""


def fitted(shape: Shape) -> Shape:
    """On as few accelerators as hold it, a divisor of its features."""
    said = calculated(shape)
    n = ceil(said["state_bytes"] / (FILLED * ACCELERATOR_BYTES - said["batch_bytes"]))
    while shape.features % n:
        n += 1
    return replace(shape, processes=n)


def size(number: float) -> str:
    """Bytes or products in three digits."""
    for unit in ("", "k", "M", "G", "T", "P"):
        if number < 1000:
            return f"{number:.3g} {unit}".rstrip()
        number /= 1000
    return f"{number:.3g} E"


def show_small() -> None:
    """Counts beside formulas."""
    print("counted | calculated, per process and step")
    for shape in SMALL:
        found, said = run_counted(shape), calculated(shape)
        cells = " ".join(
            f"{name.removesuffix('_bytes')} {size(found[name])}B | {size(said[name])}B;"
            for name in ("state_bytes", "values_bytes", "sums_bytes")
        )
        products = shape.batch * (said["encoder_products"] + said["other_products"]) / shape.processes
        rate = f"{size(products / found['cpu_seconds'])}FLOP per CPU second"
        name = f"{shape.kind} {shape.layers} x {shape.features} x {shape.width}"
        print(
            f"{name}, {shape.processes} processes: {cells} numbers {size(found['numbers_bytes'])}B; {rate}", flush=True
        )


def show_large() -> None:
    """The rows that are calculated."""
    print(
        f"calculated, accelerators of {size(ACCELERATOR_BYTES)}B filled to {FILLED:.0%}, batch {LARGE[0].batch} tokens"
    )
    for shape in map(fitted, LARGE):
        said, n = calculated(shape), shape.processes
        per_step = shape.batch * (said["encoder_products"] + said["other_products"])
        share = said["encoder_products"] / (said["encoder_products"] + said["other_products"])
        ring = 2 * (n - 1) / n * said["sums_bytes"] + (n - 1) * said["values_bytes"]
        print(
            f"{shape.kind} of {shape.total / 1e6:.0f} M features x {shape.width}, k {shape.k} per dictionary:\n"
            f"  state {size(said['state_bytes'] * n)}B in all, {size(said['batch_bytes'])}B of a batch in each: "
            f"{n} accelerators, {ceil(n / 8)} machines of eight\n"
            f"  {size(per_step / shape.batch)}FLOP per token ({share:.2%} of it the encoder), {size(per_step / n)}FLOP "
            f"per step and process\n"
            f"  each process sends and receives {size(ring)}B per step ({size(said['sums_bytes'])}B of sums, "
            f"{size(said['values_bytes'] * n)}B of values in all)"
        )


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-large", action="store_true")
    parser.add_argument("--count", nargs=7, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.count:
        kind, *numbers = chosen.count
        torch.set_num_threads(1)
        print(json.dumps(count(Shape(kind, *map(int, numbers)))), flush=True)
        if dist.is_initialized():
            dist.destroy_process_group()
        return
    if not chosen.only_large:
        show_small()
    show_large()


if __name__ == "__main__":
    main()
