"""How much memory is free, and the refusal of what will not fit, before it begins. No torch."""

import os
from pathlib import Path

from gearscope.errors import PromptError

GIB = 2**30
_PROC, _GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def free_bytes() -> int | None:
    """Bytes that this process may still take: what the machine, or the group of processes it is in, has left.

    None where the system does not say.
    """
    known = [found for found in (_of_the_machine(), _of_the_group()) if found is not None]
    return min(known) if known else None


def require(needed: int | float, what: str, *, free: int | float | None, hint: str) -> None:
    """Raise PromptError unless so many bytes are free; where that is not known, nothing is refused."""
    if free is not None and needed > free:
        expected = f"about {_size(needed)} of memory for {what} were expected"
        raise PromptError(expected, found=_size(max(free, 0)), hint=hint)


def _size(count: int | float) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{1024 * count / GIB:.2g} MiB"


def _of_the_machine() -> int | None:
    try:
        lines = _PROC.read_text(encoding="ascii").splitlines()
    except OSError:
        return _all_pages()
    found = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    return next(found, None)


def _all_pages() -> int | None:
    """All memory there is, where nobody says how much of it is free."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _of_the_group() -> int | None:
    """What a container's limit leaves; pages of files count as free, since they can be read again."""
    try:
        limit, used = ((_GROUP / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        counts = dict(line.split() for line in (_GROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        return int(limit) - int(used) + int(counts["file"])
    except (OSError, ValueError, KeyError):
        return None
