"""Shape checks for the whole suite, and the folder of real files of other projects."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Every jaxtyping annotation in the package is enforced while tests run, and only then.
install_import_hook("gearscope", "beartype.beartype")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def fixtures_dir() -> Path:
    """Real files that nobody here wrote; tests that need them skip where they are not."""
    folder = Path(os.environ.get("GEARSCOPE_FIXTURES", REPOSITORY.parent / "shared" / "fixtures"))
    if not folder.is_dir():
        pytest.skip(f"the folder of foreign files is absent ({folder.name}); set GEARSCOPE_FIXTURES to it")
    return folder
