"""Who works on the shards of a build: this process, one after another, or workers of a Ray cluster. No torch.

Workers write into the same folder; what they write does not depend on who they are. A worker that dies is started
again by Ray, and a shard that was finished twice has the same bytes.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from gearscope.errors import ConfigError

Work = Callable[[int], None]
Run = Callable[[Sequence[int], Work], None]
"""Does the work of every shard; returns when all are finished, and raises what a worker raised."""
_RETRIES = 3


def here(shards: Sequence[int], work: Work) -> None:
    """In this process."""
    for shard in shards:
        work(shard)


def on_ray(address: str | None = None, *, cpus_per_worker: float = 1, ray: Any = None) -> Run:
    """On a Ray cluster, or the processors of this machine where no address is given. Raises ConfigError without Ray.

    `ray` is the module, where a test has its own.
    """
    if ray is None:
        try:
            ray = importlib.import_module("ray")
        except ImportError as error:
            hint = "install it with `pip install gearscope[cluster]`, or leave out --ray"
            raise ConfigError("Ray was expected, to share the work", found="none", hint=hint) from error

    def run(shards: Sequence[int], work: Work) -> None:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False)
        remote, sent = ray.remote(num_cpus=cpus_per_worker, max_retries=_RETRIES)(_do), ray.put(work)
        pending = [remote.remote(sent, shard) for shard in shards]
        while pending:
            done, pending = ray.wait(pending, num_returns=1)
            ray.get(done)

    return run


def _do(work: Work, shard: int) -> None:
    """One shard, as a function: Ray takes no methods."""
    work(shard)
