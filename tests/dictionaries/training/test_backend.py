"""Stock operators or kernels: who decides, and when."""

import pytest
import torch
from torch._subclasses import FakeTensorMode

from gearscope.dictionaries.training import backend
from gearscope.dictionaries.training.backend import backend_for, computing_with, has_kernel, kernels
from gearscope.dictionaries.training.kernels import __doc__ as told


@pytest.fixture
def on_gpu():
    with FakeTensorMode():  # tensors without numbers, on a device that need not be there
        yield torch.empty(2, 3, device="cuda")


@pytest.mark.parametrize("installed", [True, False])
def test_kernels_are_for_float32_on_a_gpu_where_triton_is(on_gpu, monkeypatch, installed):
    monkeypatch.setattr(backend, "_is_installed", lambda: installed)
    there = "triton" if installed else "stock"
    assert [backend_for(on_gpu), backend_for(on_gpu.long())] == [there, there]
    assert [backend_for(on_gpu.double()), backend_for(on_gpu.half())] == ["stock", "stock"]
    assert backend_for(torch.zeros(1)) == "stock"


def test_inside_a_block_one_of_them_is_asked_for(on_gpu):
    with computing_with("triton"):
        assert backend_for(torch.zeros(1)) == "triton"
        with computing_with("stock"):
            assert backend_for(on_gpu) == "stock"
        assert backend_for(torch.zeros(1)) == "triton"
    assert backend_for(torch.zeros(1)) == "stock"


def test_the_kernel_of_the_same_name_is_called(monkeypatch):
    @has_kernel
    def doubled(factor: int, x: torch.Tensor) -> torch.Tensor:
        return x * factor

    monkeypatch.setattr(backend, "kernels", lambda: {"doubled": lambda factor, x: x - factor})
    assert doubled(2, torch.ones(1)) == 2
    with computing_with("triton"):
        assert doubled(2, torch.ones(1)) == -1


def test_every_reference_has_its_kernel():
    pytest.importorskip("triton", reason="kernels are tested where Triton is installed: pip install 'gearscope[gpu]'")
    from gearscope.dictionaries.training import sparse, strongest

    for name, kernel in kernels().items():
        reference = getattr(sparse, name, None) or getattr(strongest, name)
        assert hasattr(reference, "__wrapped__")
        assert getattr(kernel, "__name__", None) == name
    assert "interpreter" in (told or "")
