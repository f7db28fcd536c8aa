import threading
from dataclasses import replace

import pytest

from gearscope.errors import PromptError
from gearscope.web.config import EngineConfig, Limits
from gearscope.web.engine import BusyError, Engine, StoppedError
from gearscope.web.schemas import InterveneIn, TraceIn
from tests.web.conftest import FakeBench, small_graph

ASK = TraceIn(prompt="a b c")


def never() -> bool:
    return False


def engine_of(bench) -> Engine:
    return Engine(EngineConfig(), Limits(), opener=lambda _: bench)


class SlowBench(FakeBench):
    """Traces until it is let go, reporting all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.let_go = threading.Event(), threading.Event()

    def trace(self, prompt, *, target=None, against=None, progress):
        self.started.set()
        while not self.let_go.wait(0.005):
            progress("layer 0", 1)
        return small_graph()


def test_the_model_is_opened_once_and_late():
    opened = []
    engine = Engine(EngineConfig(model="some"), Limits(), opener=lambda config: opened.append(config) or FakeBench())
    assert (engine.loaded, opened) == (False, [])
    engine.trace(ASK, never)
    engine.trace(ASK, never)
    assert [config.model for config in opened] == ["some"]
    assert engine.loaded


def test_a_model_that_cannot_be_opened_leaves_the_engine_free():
    def fail(_):
        raise PromptError("no")

    engine = Engine(EngineConfig(), Limits(), opener=fail)
    for _ in range(2):
        with pytest.raises(PromptError):
            engine.trace(ASK, never)
    assert engine.job is None


def test_one_job_at_a_time_which_can_be_stopped():
    bench, outcome = SlowBench(), []
    engine = engine_of(bench)

    def work():
        try:
            engine.trace(ASK, never)
        except StoppedError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert bench.started.wait(10)
    with pytest.raises(BusyError, match="one job at a time"):
        engine.trace(ASK, never)
    assert engine.job is not None
    assert engine.job.what == "tracing"
    engine.stop()
    thread.join(10)
    assert outcome == ["tracing was stopped."]
    bench.let_go.set()
    assert engine.trace(ASK, never).tokens == ("a", "b", "c")  # an old stop does not end a new job


def test_a_page_that_is_gone_stops_its_job():
    with pytest.raises(StoppedError):
        engine_of(SlowBench()).trace(ASK, lambda: True)


@pytest.mark.parametrize(
    ("model", "basis", "ours", "expected"),
    [
        ("organism", "neurons", EngineConfig(), True),
        ("gpt2", "neurons", EngineConfig(), False),
        ("organism", "neurons:5", EngineConfig(), False),
        ("gpt2", "plt:folder", EngineConfig(model="gpt2", basis="some/folder/"), True),
        ("gpt2", "plt:folder", EngineConfig(model="gpt2", basis="some/other"), False),
    ],
)
def test_whether_a_graph_was_made_here(model, basis, ours, expected):
    graph = replace(small_graph(), model=model, basis=basis)
    assert Engine(ours, Limits()).made(graph) is expected


def test_the_organisms_graphs_open_their_own_basis() -> None:
    """A circuit in `clt` is edited in `clt`, whatever the server traces in; a foreign model has no such bases."""
    opened: dict[str, FakeBench] = {}

    def opener(config: EngineConfig) -> FakeBench:
        assert config.basis not in opened, "each basis is opened once"
        return opened.setdefault(config.basis, FakeBench())

    engine = Engine(EngineConfig(), Limits(), opener=opener)
    clt = replace(small_graph(), model="organism", basis="clt")
    assert engine.made(clt)
    assert not engine.made(replace(clt, basis="clt:elsewhere"))
    assert not Engine(EngineConfig(model="other"), Limits()).made(replace(clt, model="other"))
    for _ in range(2):
        engine.intervene(clt, InterveneIn(edits=["0/1@1*0"]), never)
    assert list(opened) == ["clt"]
    assert len(opened["clt"].asked) == 2
