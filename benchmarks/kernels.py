"""Each kernel of the training engine beside the stock operators on one GPU: milliseconds, memory, largest difference.

    python benchmarks/kernels.py                                     4,096 tokens, width 768, 16,384 features, 32 active
    python benchmarks/kernels.py --tokens 8192 --width 2048 --features 65536 --k 64
    python benchmarks/kernels.py --precision high                    products in three passes of TF32, in both columns

Times are medians over repeated calls, by the GPU's own clock, after a warm-up in which kernels are compiled. What the
stock column runs on a GPU is the reference of the tests, unchanged. Differences are relative to the largest number of
the stock result; of selections, that of the values where both keep the entry, and how many entries only one of them
keeps (at the cut, by rounding). Without a GPU it says so and does nothing.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch

from gearscope.dictionaries.training.backend import Backend, computing_with, kernels
from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.gradient import take_gradient
from gearscope.dictionaries.training.sparse import decode, pattern_of, summed, transposed, value_gradient
from gearscope.dictionaries.training.strongest import above_level, largest
from gearscope.dictionaries.training.weights import first_weights

Calls = dict[str, Callable[[], Any]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (("tokens", 4096), ("width", 768), ("features", 16384), ("k", 32), ("repeats", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--precision", choices=("highest", "high", "medium"), default="highest")
    return parser.parse_args()


def calls_of(given: argparse.Namespace) -> Calls:
    """What is timed, on random activations whose k x tokens largest pre-activations are kept."""
    P, D, F, k = given.tokens, given.width, given.features, given.k
    draw = torch.Generator().manual_seed(0)
    x, g = torch.randn(P, D, generator=draw).cuda(), torch.randn(P, D, generator=draw).cuda()
    config = TrainingConfig(kind="sae", n_features=F, k=k, aux_weight=0)
    weights = first_weights(layout_of(config, 1), x[:, None], draw)
    (coder,) = weights.coders
    sample = x[: max(1, min(P, 2**26 // F))] @ coder.W_enc.T
    level = float(sample.flatten().sort(descending=True).values[k * len(sample)])
    with computing_with("stock"):
        rows, columns, values = above_level(x, coder.W_enc, coder.b_enc, level)
        pattern = pattern_of(rows, columns, P, F)
    dead = [torch.zeros(F, dtype=torch.bool, device=x.device)]

    def step() -> tuple[torch.Tensor, ...]:
        measured = take_gradient(weights, x[:, None], g[:, None], config, [0.97 * level], dead, 0)
        tensors = weights.named().values()
        return (measured.loss, *(tensor.grad for tensor in tensors if tensor.grad is not None))

    return {
        "above_level": lambda: above_level(x, coder.W_enc, coder.b_enc, level),
        "largest": lambda: largest(x, coder.W_enc, coder.b_enc, k),
        "pattern_of": lambda: pattern_of(rows, columns, P, F),
        "decode": lambda: decode(pattern, values, coder.W_dec),
        "value_gradient": lambda: value_gradient(pattern, g, coder.W_dec),
        "transposed": lambda: transposed(pattern, values, g),
        "summed": lambda: summed(pattern, values),
        "a whole step": step,
    }


def timed(call: Callable[[], Any], backend: Backend, repeats: int) -> tuple[float, float, Any]:
    """Median milliseconds, megabytes beside what was there, and the last result."""
    spans, result = [], None
    with computing_with(backend):
        for _ in range(3):
            result = call()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        for _ in range(repeats):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            result = call()
            end.record()
            end.synchronize()
            spans.append(begin.elapsed_time(end))
    if isinstance(result, tuple):
        result = tuple(tensor.clone() for tensor in result)
    return sorted(spans)[len(spans) // 2], (torch.cuda.max_memory_allocated() - before) / 1e6, result


def difference(name: str, one: Any, other: Any, features: int) -> str:
    """Of two results, in words."""
    if name == "largest":  # the k largest values of each token, in any order
        one, other = (found.sort(1).values.clamp(min=0) for found, _ in (one, other))
    if name != "above_level":
        pairs = zip(one, other, strict=True) if isinstance(one, tuple) else [(one, other)]
        return f"{max(relative(a, b) for a, b in pairs):.1e}"
    first, second = (rows * features + columns for rows, columns, _ in (one, other))
    here, there = torch.isin(first, second), torch.isin(second, first)
    a, b = one[2][here][first[here].argsort()], other[2][there][second[there].argsort()]
    return f"{relative(a, b):.1e}, {int((~here).sum() + (~there).sum())} entries in one only"


def relative(one: torch.Tensor, other: torch.Tensor) -> float:
    one, other = one.double(), other.double()
    return float((one - other).abs().max() / one.abs().max().clamp(min=1e-30)) if one.numel() else 0.0


def main() -> None:
    given = arguments()
    if not torch.cuda.is_available():
        print("no GPU is here: nothing was timed (the kernels' results are compared by the tests, in the interpreter)")
        return
    kernels()
    torch.set_float32_matmul_precision(given.precision)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {vars(given)}")
    print(f"{'':16}{'stock ms':>10}{'triton ms':>11}{'times':>7}{'stock MB':>10}{'triton MB':>11}  difference")
    for name, call in calls_of(given).items():
        stock_ms, stock_mb, expected = timed(call, "stock", given.repeats)
        triton_ms, triton_mb, found = timed(call, "triton", given.repeats)
        told = difference(name, expected, found, given.features)
        row = f"{name:16}{stock_ms:10.3f}{triton_ms:11.3f}{stock_ms / triton_ms:7.2f}{stock_mb:10.0f}{triton_mb:11.0f}"
        print(f"{row}  {told}")


if __name__ == "__main__":
    main()
