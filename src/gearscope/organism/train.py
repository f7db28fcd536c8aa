"""One run: from a seed, or from a model's weights, to a measured model, or a refusal that names the bars it missed.

    train(plan_of(0).main_run(), Path("model"))                  the organism: about an hour on one core
    train(plan_of(0).main_run(), Path("model"), resume=True)     goes on after a kill, bit for bit

While it runs, the checkpoint and a log (`log.jsonl`, one line per 50 steps) are in the folder `<out>.run`, which stays.
One thread computes, whatever the machine has: sums then run in one order, and the same seed gives the same weights.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch.optim import AdamW
from transformers import MistralForCausalLM

from gearscope.artifact import alone_in, write_text
from gearscope.config import fingerprint
from gearscope.errors import ArtifactError, ModelError
from gearscope.organism.checkpoint import (
    CHECKPOINT,
    load_checkpoint,
    read_log,
    run_fingerprint,
    save_checkpoint,
    write_log,
)
from gearscope.organism.config import OrganismConfig
from gearscope.organism.evaluate import Measured, measure_all, missed_bars
from gearscope.organism.model import round_to_half, untrained_model
from gearscope.organism.pages import training_page
from gearscope.organism.runs import ORGANISM, Run
from gearscope.organism.schedule import learning_rate, make_optimizer, scored_loss
from gearscope.organism.store import (
    ACCURACY,
    BEFORE,
    HELD_OUT,
    held_out_json,
    open_weights,
    own_weights,
    table_json,
    write_model,
)
from gearscope.organism.truth.claims import missed_planning
from gearscope.organism.truth.interchange import measure_maps
from gearscope.organism.truth.maps import InterchangeMap
from gearscope.organism.truth.registry import variable_named
from gearscope.organism.truth.store import INTERCHANGE, maps_text
from gearscope.threads import one_thread

LOG_EVERY = 50


class Progress(NamedTuple):
    """What a progress callback sees: steps done and to do, and the mean loss (nats per weighted token) of late."""

    steps_done: int
    steps: int
    loss: float


Report = Callable[[Progress], None]


def train(run: Run, out: Path, *, progress: Report | None = None, resume: bool = False) -> dict[str, Measured]:
    """Train, measure and write the model folder `out`; return its accuracy table.

    Raises ArtifactError when `out` or an unfinished run is in the way (or, with `resume`, when there is none), and
    ModelError, with nothing written to `out`, when a behaviour misses its bar and the run must hold them.
    """
    run_folder = running(out)
    check_way_is_free(out, run_folder, resume=resume)
    made = made_by(run)
    with one_thread(), alone_in(run_folder):
        model = learn(run, run_folder, made, progress=progress, resume=resume)
        table = measure_all(model, run.behaviours, limit=run.limit)
        write_text(run_folder / "accuracy.json", table_json(table, run.config.bars))
        maps = measure_maps(model, [variable_named(title) for title in run.variables])
        write_text(run_folder / "interchange.json", maps_text(maps))
        missed = missed_bars(table, run.config.bars)
        if run.kind == ORGANISM and run.config.planning:
            missed += missed_planning(maps)
        if missed and run.must_hold:
            raise ModelError(
                f"held-out behaviours above their bars are needed to write {run.part}",
                found=", ".join(missed),
                hint=f"its recipe needs other settings; all that it reached is in {run_folder / 'accuracy.json'}",
            )
        write_model(out, model, run, made=made, texts=truth_files(run, table, maps))
    return table


def running(out: Path) -> Path:
    """Where a run that is to write `out` keeps its checkpoint and its log."""
    return out.with_name(f"{out.name}.run")


def made_by(run: Run) -> str:
    """Sixteen hex digits that change with everything that decides the weights: settings, world, first weights."""
    own = run_fingerprint(run.config)
    return own if run.start is None else fingerprint({"run": own, "start": run.inputs["model"]})


def learn(
    run: Run, run_folder: Path, made: str, *, progress: Report | None = None, resume: bool = False
) -> MistralForCausalLM:
    """The trained model, its weights rounded as they are stored."""
    config, model = run.config, first_model(run).train()
    optimizer = make_optimizer(config, model)
    start, losses = load_checkpoint(run_folder, model, optimizer, run=made) if resume else (0, [])
    log = read_log(run_folder, up_to=start)
    for step in range(start, config.steps):
        losses.append(take_step(config, model, optimizer, step))
        if is_due(step, LOG_EVERY, config):
            report(log, losses, config, step, progress)
        if is_due(step, config.checkpoint_every, config):
            save_checkpoint(run_folder, model, optimizer, steps_done=step + 1, losses=losses, run=made)
            write_log(run_folder, log)
    return round_to_half(model.eval())


@torch.no_grad()
def first_model(run: Run) -> MistralForCausalLM:
    """What a run starts from: untrained weights, or those of the model it starts with."""
    model = untrained_model(run.config)
    if run.start is not None:
        weights = own_weights(open_weights(run.start))
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    return model


def truth_files(run: Run, table: dict[str, Measured], maps: tuple[InterchangeMap, ...]) -> dict[str, str]:
    """What is stored beside the weights, by path: what was measured, and what was held out."""
    texts = {ACCURACY: table_json(table, run.config.bars)}
    if maps:
        texts[INTERCHANGE] = maps_text(maps)
    if run.kind == ORGANISM:
        texts[HELD_OUT] = held_out_json()
    if run.start is not None:
        before = measure_all(open_weights(run.start), run.behaviours, limit=run.limit)
        texts[BEFORE] = table_json(before, {})
    return texts


def check_way_is_free(out: Path, run_folder: Path, *, resume: bool) -> None:
    """Refuse before the work and not after it."""
    if out.exists():
        raise ArtifactError(f"a new folder was expected at {out}", found="one that exists", hint="choose another --out")
    if not resume and (run_folder / CHECKPOINT).exists():
        raise ArtifactError(
            f"no unfinished run was expected at {run_folder}",
            found="one",
            hint="go on with --resume, or remove it",
        )


def is_due(step: int, every: int, config: OrganismConfig) -> bool:
    """After every so many steps, and after the last."""
    return (step + 1) % every == 0 or step + 1 == config.steps


def report(
    log: list[dict[str, int | float]], losses: list[float], config: OrganismConfig, step: int, progress: Report | None
) -> None:
    """Turn the losses since the last report into a log line and a call of `progress`; empties `losses`."""
    late = Progress(step + 1, config.steps, sum(losses) / len(losses))
    log.append({"step": late.steps_done, "loss": late.loss, "learning_rate": learning_rate(config, step)})
    losses.clear()
    if progress is not None:
        progress(late)


def take_step(config: OrganismConfig, model: MistralForCausalLM, optimizer: AdamW, step: int) -> float:
    """Read one page and move the weights; return the loss."""
    tokens, weights = training_page(config, step)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, step)
    loss = scored_loss(model, tokens, weights)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()
