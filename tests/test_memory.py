import pytest

from gearscope.errors import PromptError
from gearscope.memory import GIB, free_bytes, require


def test_free_memory_is_known_on_linux_and_no_more_than_a_machine_has():
    free = free_bytes()
    assert free is None or 0 <= free < 2**50


def test_what_does_not_fit_is_refused_with_both_figures():
    require(5 * GIB, "a prompt", free=5 * GIB, hint="")
    require(5 * GIB, "a prompt", free=None, hint="")
    with pytest.raises(
        PromptError, match=r"about 5\.0 GiB of memory for a prompt were expected; found 1\.5 GiB; shorter"
    ):
        require(5 * GIB, "a prompt", free=1.5 * GIB, hint="shorter")
