"""The workbench behind the page: opened when somebody first traces or intervenes, one job at a time.

This is the one module of the room that reaches torch, inside `open_workbench`; importing it does not.
A job reports its progress and can be told to stop, which it does at its next report.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gearscope.errors import ConfigError, GearscopeError, PromptError
from gearscope.graph.graph import AttributionGraph
from gearscope.interventions.edits import parse_edits
from gearscope.interventions.result import Intervention
from gearscope.web.config import EngineConfig, Limits
from gearscope.web.schemas import InterveneIn, Job, TraceIn

if TYPE_CHECKING:
    from gearscope.workbench import Workbench

ORGANISM = "organism"
ORGANISM_BASES = ("neurons", "plt", "clt")
"""Bases that the bundled organism brings: its graphs say their names, and each is opened when it is needed."""
Gone = Callable[[], bool]
"""Whether whoever asked for a job is no longer there."""


class BusyError(GearscopeError):
    """Another job is running."""


class StoppedError(GearscopeError):
    """The job was told to stop."""


def open_workbench(config: EngineConfig) -> "Workbench":
    """The model and basis of the server; loads torch."""
    from gearscope.workbench import Workbench

    return Workbench.open(
        model=config.model, basis=config.basis, device=config.device, dtype=config.dtype, revision=config.revision
    )


class Engine:
    """One workbench for each basis that is needed, opened late. `opener` is the seam for tests."""

    def __init__(
        self, config: EngineConfig, limits: Limits, opener: "Callable[[EngineConfig], Workbench]" = open_workbench
    ) -> None:
        self.config = config
        self._limits = limits
        self._opener = opener
        self._benches: dict[str, Workbench] = {}
        self._busy, self._stopping = threading.Lock(), threading.Event()
        self.job: Job | None = None

    @property
    def model(self) -> str:
        """Name of the model, opened or not."""
        return self.config.model if self.config.model is not None else ORGANISM

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return bool(self._benches)

    def made(self, graph: AttributionGraph) -> bool:
        """Whether a graph says that it was traced with this model and a basis that can be opened for it."""
        return graph.model == self.model and self._basis_of(graph) is not None

    def _basis_of(self, graph: AttributionGraph) -> str | None:
        """The basis to open for a graph: the server's own if the name fits, or one of the organism's."""
        ours = self.config.basis
        if graph.basis == ours or graph.basis.partition(":")[2] == Path(ours).resolve().name:
            return ours
        return graph.basis if self.config.model is None and graph.basis in ORGANISM_BASES else None

    def stop(self) -> None:
        """Tell the running job to stop at its next report."""
        self._stopping.set()

    def trace(self, wanted: TraceIn, gone: Gone) -> AttributionGraph:
        """Trace a prompt. Raises PromptError, BusyError, StoppedError, and what the workbench raises."""
        most = self._limits.prompt_characters
        if len(wanted.prompt) > most:
            raise PromptError(f"a prompt of at most {most} characters was expected", found=str(len(wanted.prompt)))
        with self._job("tracing", gone) as report:
            bench = self._open(self.config.basis, report)
            return bench.trace(wanted.prompt, target=wanted.target, against=wanted.against, progress=report)

    def intervene(self, graph: AttributionGraph, wanted: InterveneIn, gone: Gone) -> Intervention:
        """Try edits in the model. Raises ConfigError, BusyError, and what the workbench raises."""
        edits = parse_edits(wanted.edits)
        if len(edits) > self._limits.edits:
            raise ConfigError(f"at most {self._limits.edits} edits were expected", found=str(len(edits)))
        if any(edit.operation == "swap" for edit in edits):
            raise ConfigError("edits of this graph alone were expected", found="a swap", hint="use the command line")
        if wanted.generate > self._limits.generated_tokens:
            most = self._limits.generated_tokens
            raise ConfigError(f"at most {most} tokens to write were expected", found=str(wanted.generate))
        with self._job("intervening", gone) as report:
            bench = self._open(self._basis_of(graph) or self.config.basis, report)
            report("running the model", 0)
            return bench.intervene(
                graph,
                edits=[str(edit) for edit in edits],
                mode=wanted.mode,
                freeze_to=wanted.freeze_to,
                generate=wanted.generate,
                seed=wanted.seed,
            )

    def _open(self, basis: str, report: Callable[[str, int], None]) -> "Workbench":
        if basis not in self._benches:
            report("opening the model", 0)
            self._benches[basis] = self._opener(self.config.model_copy(update={"basis": basis}))
        return self._benches[basis]

    @contextmanager
    def _job(self, what: str, gone: Gone) -> Generator[Callable[[str, int], None]]:
        if not self._busy.acquire(blocking=False):
            found = self.job.what if self.job is not None else "another job"
            raise BusyError("one job at a time", found=f"{found}, which is still running", hint="wait or stop it")

        def report(phrase: str, count: int) -> None:
            if gone() or self._stopping.is_set():
                raise StoppedError(f"{what} was stopped")
            self.job = Job(what=what, phrase=phrase, count=count)

        try:
            self._stopping.clear()
            report("starting", 0)
            yield report
        finally:
            self.job = None
            self._busy.release()
