"""The features of a dictionary, divided among processes: each holds some columns of the encoder and their decoders.

    process r of n holds the features  r · F / n ... (r + 1) · F / n − 1  of every dictionary

Every process reads the same activations. What has to be said between them for one step: the kept values (to find the
cut that all share), the partial sums of what is written, and a few numbers. Biases of written sites and skips are held
by all and move alike. One process alone says nothing to anybody. Processes are started by `torchrun`; nothing here
starts any. Knows nothing about losses.
"""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from gearscope.errors import ConfigError


@dataclass(frozen=True)
class Shards:
    """This process's place among those that share the features."""

    rank: int = 0
    count: int = 1

    def block(self, n_features: int) -> tuple[int, int]:
        """The first feature of this process, and the one behind its last. Raises ConfigError for an uneven division."""
        if n_features % self.count:
            hint = f"choose a multiple of {self.count}"
            raise ConfigError(f"features for {self.count} processes were expected", found=str(n_features), hint=hint)
        size = n_features // self.count
        return self.rank * size, (self.rank + 1) * size

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.count > 1:
            dist.all_reduce(tensor)
        return tensor

    def total(self, number: float | int) -> float:
        """The sum of a number over all processes."""
        return float(number if self.count == 1 else self.sum(torch.tensor(number, dtype=torch.float64)))

    def place(self, number: int) -> tuple[int, int]:
        """How many of something the processes before this one have, and all of them together."""
        if self.count == 1:
            return 0, number
        every = torch.zeros(self.count, dtype=torch.int64)
        every[self.rank] = number
        self.sum(every)
        return int(every[: self.rank].sum()), int(every.sum())

    def least(self, number: float) -> float:
        """The smallest of a number over all processes."""
        if self.count == 1:
            return number
        found = torch.tensor(number, dtype=torch.float64)
        dist.all_reduce(found, op=dist.ReduceOp.MIN)
        return float(found)

    def all_values(self, values: Tensor) -> Tensor:
        """The values [K] of all processes, one after another; K may differ."""
        if self.count == 1:
            return values
        sizes = [torch.zeros(1, dtype=torch.int64, device=values.device) for _ in range(self.count)]
        dist.all_gather(sizes, torch.tensor([len(values)], device=values.device))
        longest = max(int(size) for size in sizes)
        padded = values.new_zeros(longest)
        padded[: len(values)] = values
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[: int(size)] for part, size in zip(parts, sizes, strict=True)])

    def beside(self, columns: Tensor, width: int) -> Tensor:
        """Matrices [P, K] of all processes side by side, each filled up with zeros to a width."""
        padded = columns.new_zeros(len(columns), width)
        padded[:, : columns.shape[1]] = columns
        parts = [torch.empty_like(padded) for _ in range(self.count)]
        dist.all_gather(parts, padded)
        return torch.cat(parts, dim=1)

    def whole(self, rows: Tensor) -> Tensor:
        """Blocks [F / n, ...] of all processes as one tensor [F, ...]."""
        if self.count == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.count)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)


ALONE = Shards()
"""One process with all features."""


def started() -> Shards:
    """The place that `torchrun` gave this process; alone without it. Joins the group on the first call.

    Where there are GPUs, `cuda` then means one of its own to each process; numbers still go from CPU to CPU.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    if not dist.is_initialized():
        has_gpu = torch.cuda.is_available()
        if has_gpu:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo")
    return Shards(dist.get_rank(), dist.get_world_size())
