"""Which code computes what: stock operators, or kernels for GPUs that equal them to rounding.

    @has_kernel                          what follows is the reference; a kernel may take its place, same name and types
    with computing_with("stock"): ...    one or the other inside the block, whatever the device (tests, benchmarks)

Decided here and nowhere else: kernels (`kernels/`, in Triton) for float32 tensors on a CUDA device where Triton is
installed, stock operators for everything else. Knows nothing about what is computed.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from importlib.util import find_spec
from typing import Any, Literal, ParamSpec, TypeVar

import torch
from torch import Tensor

Backend = Literal["stock", "triton"]
_forced: ContextVar[Backend | None] = ContextVar("forced", default=None)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@contextmanager
def computing_with(backend: Backend) -> Generator[None]:
    """Compute with this one inside the block. On a CPU, kernels run where TRITON_INTERPRET=1 was set before."""
    token = _forced.set(backend)
    try:
        yield
    finally:
        _forced.reset(token)


def backend_for(tensor: Tensor) -> Backend:
    """What computes with tensors like this one."""
    forced = _forced.get()
    if forced is not None:
        return forced
    fits = tensor.dtype == torch.float32 or not tensor.is_floating_point()
    return "triton" if tensor.is_cuda and fits and _is_installed() else "stock"


@cache
def _is_installed() -> bool:
    return find_spec("triton") is not None


@cache
def kernels() -> dict[str, Callable[..., Any]]:
    """The kernels' functions by the name of their reference. Raises ImportError where there is no Triton."""
    from gearscope.dictionaries.training.kernels import encoder, products

    return {
        "above_level": encoder.above_level,
        "largest": encoder.largest,
        "pattern_of": products.pattern_of,
        "decode": products.decode,
        "value_gradient": products.value_gradient,
        "transposed": products.transposed,
        "summed": products.summed,
        "counted": products.counted,
    }


def has_kernel(reference: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The reference, or on a GPU the kernel of its name; its first tensor decides which."""

    name = getattr(reference, "__name__", "")

    @wraps(reference)
    def chosen(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        first = next(argument for argument in args if isinstance(argument, Tensor))
        if backend_for(first) == "stock":
            return reference(*args, **kwargs)
        return kernels()[name](*args, **kwargs)

    return chosen
