"""Shards on Ray: every one once, again after a failure, what a worker raises is raised; with a stand-in for Ray."""

import inspect
import pickle
import sys

import pytest

from gearscope.errors import ConfigError
from gearscope.features.cluster import on_ray
from gearscope.features.plan import WorkConfig
from tests.features.planted import build, subject
from tests.features.test_build import stored


class StandIn:
    """What of Ray is used: work is done when it is waited for, the last first, in whatever was pickled."""

    def __init__(self):
        self.started, self.tasks, self.retries = None, 0, None

    def is_initialized(self):
        return self.started is not None

    def init(self, *, address, log_to_driver):
        self.started = (address, log_to_driver)

    def remote(self, *, num_cpus, max_retries):
        self.retries = max_retries

        def decorate(function):
            assert inspect.isfunction(function)  # Ray refuses methods

            class Remote:
                @staticmethod
                def remote(*arguments):
                    self.tasks += 1
                    return lambda: function(*arguments)

            return Remote

        return decorate

    def wait(self, pending, *, num_returns):
        assert num_returns == 1
        return [pending[-1]], pending[:-1]

    def put(self, value):
        return value

    def get(self, done):
        return [task() for task in done]


def test_a_library_built_on_ray_is_the_same(tmp_path):
    made, ray = subject(), StandIn()
    build(tmp_path / "here", made).close()
    work = WorkConfig(shards=5)
    build(tmp_path / "ray", made, work=work, run=on_ray(ray=ray), reopen=lambda: made).close()
    assert (ray.tasks, ray.started, ray.retries) == (5, (None, False), 3)
    assert stored(tmp_path / "ray") == stored(tmp_path / "here")


def test_what_a_worker_raises_is_raised():
    def work(shard):
        raise ConfigError(f"shard {shard}")

    with pytest.raises(ConfigError, match="shard 2"):
        on_ray("somewhere", ray=StandIn())(range(3), work)


def test_without_ray_the_way_to_install_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install gearscope\[cluster\]"):
        on_ray()


def test_work_can_be_sent_to_another_machine(tmp_path):
    from gearscope.features.shard import ShardWork

    work = ShardWork(folder=tmp_path, open=subject, work=WorkConfig(memory_megabytes=64))
    assert pickle.loads(pickle.dumps(work)) == work
