"""The tiny models, opened once: tests of this room leave them as they were."""

import functools
from collections.abc import Callable

import pytest
import torch

from gearscope.models.model import Model, wrap
from tests.oracles.tiny_models import case


@pytest.fixture(scope="session")
def opened() -> Callable[..., Model]:
    """`opened(name of a case, dtype)`: the model, float64 unless told otherwise; `.anatomy.hf` is the plain one."""

    @functools.cache
    def open_once(name: str, dtype: torch.dtype = torch.float64) -> Model:
        return wrap(case(name, dtype=dtype, eos_token_id=None))

    return open_once
