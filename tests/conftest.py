"""Shape checks for the whole suite, how GPU kernels are tested, and the folder of real files of other projects."""

import os
import signal
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

# Every jaxtyping annotation in the package is enforced while tests run, and only then.
install_import_hook("gearscope", "beartype.beartype")

# Kernels run on the GPU where there is one, else in Triton's interpreter: said before Triton is imported.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

# A job that runs in the background ignores Ctrl-C and hands that on to its children: tests that send it need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def fixtures_dir() -> Path:
    """Real files that nobody here wrote; tests that need them skip where they are not."""
    folder = Path(os.environ.get("GEARSCOPE_FIXTURES", REPOSITORY.parent / "shared" / "fixtures"))
    if not folder.is_dir():
        pytest.skip(f"the folder of foreign files is absent ({folder.name}); set GEARSCOPE_FIXTURES to it")
    return folder
