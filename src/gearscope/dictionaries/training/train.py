"""The recipe: from batches of activations to dictionaries.

    train(config, layout, source, held_out, folder)                    from the start
    train(config, layout, source, held_out, folder, resume=True)       goes on after a kill, bit for bit on a CPU
    train(config, layout, source, held_out, folder, start=finished)    from finished dictionaries

While it runs, the checkpoint and the log are in `folder`, which stays. On CPUs one thread computes: sums then run in
one order, and the same settings give the same weights. Knows nothing about models.
"""

import shutil
from collections.abc import Callable, Generator, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.artifact import alone_in
from gearscope.config import fingerprint
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.fidelity import Readings
from gearscope.dictionaries.training.begin import FITTED, fit_loudness
from gearscope.dictionaries.training.checkpoint import (
    CHECKPOINT,
    State,
    load_checkpoint,
    read_log,
    save_checkpoint,
    write_log,
)
from gearscope.dictionaries.training.config import Layout, TrainingConfig
from gearscope.dictionaries.training.finish import finished, thresholds_of
from gearscope.dictionaries.training.gradient import Measured, take_gradient
from gearscope.dictionaries.training.prune import pruned
from gearscope.dictionaries.training.refit import refit
from gearscope.dictionaries.training.revive import revive
from gearscope.dictionaries.training.schedule import learning_rate, make_optimizer, set_rate
from gearscope.dictionaries.training.sharded import FOLDER as SHARDED
from gearscope.dictionaries.training.sharded import load_sharded, save_sharded
from gearscope.dictionaries.training.shards import ALONE, Shards
from gearscope.dictionaries.training.start import check_start, go_on_from
from gearscope.dictionaries.training.weights import (
    Scaling,
    Weights,
    begin_selection,
    first_weights,
    numbers_on,
    scaling_of,
)
from gearscope.errors import ArtifactError, DictionaryError
from gearscope.threads import one_thread

LOG_EVERY = 20
_CLIP_EPSILON = 1e-6
"""What torch adds to a norm before it divides by it."""
_AFTER_THE_RUN = {"checkpoint_every", "refit_tokens", "prune_tokens", "prune_below"}
"""Settings that no step depends on: a run can be resumed with other ones."""


@runtime_checkable
class Source(Protocol):
    """Where batches of activations come from: sites in the order of the layout, then its directions and slopes."""

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with anything that decides the batches."""
        ...

    def sample(self) -> Float[Tensor, "P M D"]:
        """Some of the tokens that come next, without moving on."""
        ...

    def take(self, n_tokens: int) -> Float[Tensor, "P M D"]:
        """The next tokens, shuffled."""
        ...

    def place(self) -> str:
        """Where the next token is."""
        ...

    def go_to(self, place: str) -> None:
        """Go on from a place that `place` gave."""
        ...


class Progress(NamedTuple):
    """What a progress callback sees: figures of the latest steps, on the tokens being trained on."""

    tokens_done: int
    tokens: int
    loss: float
    nmse: dict[str, float]
    """By site that is written."""
    l0: float
    """Mean over dictionaries."""
    dead: float
    """Share of features that have not fired for long."""


Report = Callable[[Progress], None]


def train(
    config: TrainingConfig,
    layout: Layout,
    source: Source,
    held_out: Iterable[Float[Tensor, "P M D"]],
    folder: Path,
    *,
    model: str = "",
    progress: Report | None = None,
    resume: bool = False,
    shards: Shards = ALONE,
    start: DictionarySet | None = None,
) -> DictionarySet:
    """Train and return the dictionaries; whole ones in every process, where several share the features.

    Raises ArtifactError when an unfinished run is in the way (or, with `resume`, when there is none) or one is at work
    in `folder`, ConfigError and DictionaryError when `start` does not fit, and DictionaryError when the loss becomes
    NaN or infinite; the last checkpoint is then still whole.
    """
    if not resume and any((folder / name).exists() for name in (CHECKPOINT, SHARDED)):
        hint = "go on with --resume, or remove it"
        raise ArtifactError(f"no unfinished run was expected at {folder}", found="one", hint=hint)
    run = config.model_dump(mode="json", exclude=_AFTER_THE_RUN) | {"activations": source.fingerprint}
    if start is not None:
        run["start"] = start.fingerprint()
    with one_thread(), alone_in(folder) if shards.rank == 0 else nullcontext():
        state = _begin(config, layout, source, shards, start)
        if resume:
            source.go_to(_load(folder, state, shards, run=run))
        log, late = read_log(folder, up_to=state.steps_done), _Late(layout, shards)
        while state.steps_done < config.steps:
            late.add(_step(config, layout, state, source, shards))
            if _is_due(state.steps_done, LOG_EVERY, config):
                at = late.progress(config, state)  # every process: it sums over all of them
                log.append(entry(config, at, state.steps_done))
                if progress is not None:
                    progress(at)
                late = _Late(layout, shards)
            if _is_due(state.steps_done, config.checkpoint_every, config):
                _save(folder, state, shards, place=source.place(), run=run)
                if shards.rank == 0:
                    write_log(folder, log)
        weights = state.weights.whole(shards)
        thresholds = thresholds_of(weights, state.scaling, held_out, config)
        every_token = config.k if config.selection == "top_k" else None
        made = finished(weights, state.scaling, layout, thresholds, k=every_token, model=model)
        if config.prune_tokens:
            made = pruned(made, readings_of(config.prune_tokens, config, layout, source), config.prune_below)
        return refit(made, readings_of(config.refit_tokens, config, layout, source)) if config.refit_tokens else made


def _load(folder: Path, state: State, shards: Shards, *, run: dict[str, Any]) -> str:
    """From the file of one process, or from the folder of several, which any number of them can read."""
    if shards.count == 1 and not (folder / SHARDED).exists():
        return load_checkpoint(folder, state, run=run)
    return load_sharded(folder, state, shards, run=run)


def _save(folder: Path, state: State, shards: Shards, *, place: str, run: dict[str, Any]) -> None:
    if shards.count > 1:
        save_sharded(folder, state, shards, place=place, run=run)
        return
    save_checkpoint(folder, state, place=place, run=run)
    shutil.rmtree(folder / SHARDED, ignore_errors=True)


def readings_of(n_tokens: int, config: TrainingConfig, layout: Layout, source: Source) -> Generator[Readings]:
    """So many of the tokens that come next: after the last step, those behind it."""
    for _ in range(-(-n_tokens // config.batch_tokens)):
        acts = source.take(config.batch_tokens)[:, : len(layout.sites)]
        yield dict(zip(layout.sites, acts.unbind(1), strict=True))


def _begin(
    config: TrainingConfig, layout: Layout, source: Source, shards: Shards, start: DictionarySet | None = None
) -> State:
    sample = source.sample()[:, : len(layout.sites)]
    scaling = scaling_of(sample)
    weights = first_weights(layout, scaling.written(sample), torch.Generator().manual_seed(config.seed))
    taken = [config.n_features] * len(weights.coders)
    if start is not None:
        check_start(start, config, layout)
        taken = go_on_from(start, weights, scaling)
    begin_selection(weights, config, scaling.read(sample))
    if start is None:
        some = sample[:FITTED]
        fit_loudness(weights, config, scaling.read(some), scaling.written(some)[:, list(layout.targets)])
    first, end = shards.block(config.n_features)
    if shards.count > 1:
        weights = weights.block(first, end)
    numbers = torch.arange(first, end, device=sample.device)
    return State(
        weights=weights,
        optimizer=make_optimizer(config, weights.named().values()),
        scaling=scaling,
        silent=[(numbers >= count) * (config.dead_after + 1) for count in taken],  # what is new can begin at once
        bounds=(None,) * len(weights.coders),
        steps_done=0,
    )


class _Batch(NamedTuple):
    measured: Measured
    loss: float
    spread: Float[Tensor, " S"]


def _step(config: TrainingConfig, layout: Layout, state: State, source: Source, shards: Shards) -> _Batch:
    """Read one batch and move the weights."""
    acts, tangents = _parted(source.take(config.batch_tokens), layout, state.scaling)
    x, y = state.scaling.read(acts), state.scaling.written(acts)
    if len(layout.targets) < len(layout.sites):
        y = y[:, numbers_on(acts.device, layout.targets)]
    dead = [tokens > config.dead_after for tokens in state.silent]
    measured = take_gradient(state.weights, x, y, config, state.bounds, dead, state.steps_done, tangents, shards)
    loss = float(measured.loss)
    if not loss < float("inf"):
        raise DictionaryError(
            "a finite loss was expected",
            found=f"{loss} at step {state.steps_done + 1}",
            hint=f"lower learning_rate ({config.learning_rate:g}); the last checkpoint is whole",
        )
    _clip(state.weights, config.clip_norm, shards)
    set_rate(state.optimizer, learning_rate(config, state.steps_done))
    state.optimizer.step()
    if _revives(config, state.steps_done):
        draw = torch.Generator().manual_seed(int(fingerprint(["revive", config.seed, state.steps_done]), 16) % 2**63)
        revive(state.weights, state.optimizer, x, measured.left, dead, draw, shards)
        for tokens, silent in zip(state.silent, dead, strict=True):
            tokens[silent] = 0
    state.weights.project()
    for tokens, fired in zip(state.silent, measured.fired, strict=True):
        tokens += config.batch_tokens
        tokens[fired > 0] = 0
    state.bounds, state.steps_done = measured.bounds, state.steps_done + 1
    return _Batch(measured, loss, (y - y.mean(0)).square().sum((0, 2)))


def _clip(weights: Weights, largest: float, shards: Shards) -> None:
    """Scale all gradients so that their norm, over all processes, is at most this."""
    tensors = list(weights.named().values())
    if shards.count == 1:
        norm = torch.nn.utils.get_total_norm([tensor.grad for tensor in tensors if tensor.grad is not None])
        if norm.is_cuda or norm + _CLIP_EPSILON > largest:  # a GPU would be waited for
            torch.nn.utils.clip_grads_with_norm_(tensors, largest, norm)
        return
    divided = {id(tensor) for tensor in weights.divided()}
    squares = [tensor.grad.square().sum() for tensor in tensors if id(tensor) in divided and tensor.grad is not None]
    alike = [tensor.grad.square().sum() for tensor in tensors if id(tensor) not in divided and tensor.grad is not None]
    norm = (shards.sum(torch.stack(squares).sum()) + torch.stack(alike).sum()).sqrt()
    torch.nn.utils.clip_grads_with_norm_(tensors, largest, norm)


def _parted(
    planes: Float[Tensor, "P M D"], layout: Layout, scaling: Scaling
) -> tuple[Float[Tensor, "P N D"], Float[Tensor, "P C T D"] | None]:
    """Activations of the sites; and directions with slopes, in normalised units, where they are wanted."""
    n = len(layout.sites)
    if not layout.tangents:
        return planes, None
    tangents = planes[:, n:].unflatten(1, (-1, 2)).clone()
    read = scaling.factor[[coder.reads[0] for coder in layout.coders]]
    write = scaling.factor[[layout.targets[coder.writes.start] for coder in layout.coders]]
    tangents[:, :, 1] *= (write / read)[:, None]
    return planes[:, :n], tangents


def _revives(config: TrainingConfig, step: int) -> bool:
    early = step < config.revive_until * config.steps
    return early and config.revive_every > 0 and step > 0 and step % config.revive_every == 0


def _is_due(step: int, every: int, config: TrainingConfig) -> bool:
    """After every so many steps, and after the last."""
    return step % every == 0 or step == config.steps


class _Late:
    """Figures of the steps since the last report; sums stay where the weights are until somebody asks."""

    def __init__(self, layout: Layout, shards: Shards) -> None:
        self.shards = shards
        self.targets = [layout.sites[target] for target in layout.targets]
        self.error: Tensor | float = 0.0
        self.spread: Tensor | float = 0.0
        self.active: Tensor | int = 0
        self.loss, self.steps = 0.0, 0

    def add(self, batch: _Batch) -> None:
        """One step."""
        self.error = self.error + batch.measured.squared_error.double()
        self.spread = self.spread + batch.spread.double()
        self.active = self.active + torch.stack([fired.sum() for fired in batch.measured.fired]).sum()
        self.loss += batch.loss
        self.steps += 1

    def progress(self, config: TrainingConfig, state: State) -> Progress:
        """For a callback."""
        silent = torch.cat(state.silent)
        per_token = self.steps * config.batch_tokens * len(state.silent)
        return Progress(
            tokens_done=state.steps_done * config.batch_tokens,
            tokens=config.steps * config.batch_tokens,
            loss=self.loss / self.steps,
            nmse=dict(zip(self.targets, torch.as_tensor(self.error / self.spread).tolist(), strict=True)),
            l0=self.shards.total(int(self.active)) / per_token,
            dead=self.shards.total(float((silent > config.dead_after).double().mean())) / self.shards.count,
        )


def entry(config: TrainingConfig, at: Progress, steps_done: int) -> dict[str, object]:
    """A line of the log."""
    return {"step": steps_done, "learning_rate": learning_rate(config, steps_done - 1), **at._asdict()}
