"""Everything one seed makes, stage by stage: the organism with its truth, its twins, its versions, then one lock.

    train_bundle(plan_of(0), Path("organism"))                   the folder `organism`; stages stay in `organism.run`
    train_bundle(plan_of(0), Path("organism"), resume=True)      goes on after a kill, in any stage
    train_bundle(plan_of(0), Path("organism"), only="twins")     one kind of stage; the bundle is not written
    train_bundle(plan_of(2, must_hold=False), Path("seed2"))     what a seed reaches, as the table `seed2.json`

A stage's folder is finished, or its run goes on from its checkpoint. The bundle is written when every stage is finished
and over its bars, and not before. A plan whose bars need not hold gives a table of the seed, and never a bundle.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from gearscope.artifact import new_folder, read_manifest, write_text
from gearscope.errors import ArtifactError, ModelError
from gearscope.lock import MODEL, write_lock
from gearscope.models.load import open_model
from gearscope.organism.checkpoint import CHECKPOINT
from gearscope.organism.evaluate import Measured, missed_bars
from gearscope.organism.runs import Plan, Run
from gearscope.organism.seeds import seed_json, table_of_parts
from gearscope.organism.store import read_table
from gearscope.organism.train import Progress, made_by, running, train

Stage = Literal["model", "twins", "versions"]
STAGES: tuple[Stage, ...] = get_args(Stage)
Tables = dict[str, dict[str, Measured]]
"""Part of the bundle -> its accuracy table."""


class StageProgress(NamedTuple):
    """What a progress callback sees: which model, the number of it and of all, and how far it is."""

    part: str
    number: int
    count: int
    at: Progress


Report = Callable[[StageProgress], None]


def train_bundle(
    plan: Plan, out: Path, *, only: Stage | None = None, resume: bool = False, progress: Report | None = None
) -> Tables:
    """Train what is not trained yet and write the bundle `out`; return every accuracy table.

    With `only`, that stage alone, and no bundle. Raises ArtifactError when `out` or other runs are in the way, and
    ModelError, with nothing written to `out`, naming every bar that a stage missed.
    """
    work = running(out)
    check_way_is_free(out if plan.must_hold else table_path(out), work, resume=resume)
    tables: Tables = {}
    if only in (None, "model"):
        tables[MODEL] = run_stage(plan.main_run(), plan, work, progress)
    if only == "model":
        return tables
    check_finished(plan.main_run(), work / MODEL)
    model = open_model(work / MODEL).fingerprint
    twins = [plan.twin_run(name, model) for name in plan.twins]
    versions = [plan.version_run(name, model, work / MODEL) for name in plan.versions]
    chosen = {"twins": twins, "versions": versions}
    tables |= run_all([*twins, *versions] if only is None else chosen[only], plan, work, progress)
    if only is None:
        write_result(plan, out, work, model)
    return tables


def write_result(plan: Plan, out: Path, work: Path, model: str) -> None:
    """The bundle; or, where bars need not hold, the seed's table beside where the bundle would be."""
    if not plan.must_hold:
        write_text(table_path(out), seed_json(table_of_parts(plan.main.seed, work, plan.parts, sealed=False), model))
        return
    with new_folder(out) as folder:
        for part in plan.parts:
            shutil.copytree(work / part, folder / part)
        write_lock(folder, model)


def table_path(out: Path) -> Path:
    """Where the table of a seed goes that is trained to be reported."""
    return out.with_name(f"{out.name}.json")


def run_all(runs: list[Run], plan: Plan, work: Path, progress: Report | None) -> Tables:
    """Every run, a missed bar in one not keeping the next from its turn. Raises ModelError with all of them."""
    tables, missed = {}, []
    for run in runs:
        try:
            tables[run.part] = run_stage(run, plan, work, progress)
        except ModelError as refusal:
            missed.append(str(refusal).rstrip("."))
    if missed:
        raise ModelError(" / ".join(missed))
    return tables


def run_stage(run: Run, plan: Plan, work: Path, progress: Report | None) -> dict[str, Measured]:
    """The accuracy table of a run: finished before, gone on with, or new."""
    out = work / run.part
    if out.exists():
        return check_finished(run, out)
    number = plan.parts.index(run.part) + 1

    def show(at: Progress) -> None:
        if progress is not None:
            progress(StageProgress(run.part, number, len(plan.parts), at))

    return train(run, out, progress=show, resume=(running(out) / CHECKPOINT).is_file())


def check_finished(run: Run, folder: Path) -> dict[str, Measured]:
    """The accuracy table of a finished stage.

    Raises ArtifactError when it is missing or was made by another run, and ModelError when it misses a bar.
    """
    inputs = read_manifest(folder, run.kind)["inputs"]
    if inputs != {"run": made_by(run), **run.inputs}:
        raise ArtifactError(
            f"{folder} should be made by this run",
            found="one of other settings, another world or another model",
            hint="remove it to train it again, or choose another --out",
        )
    table = read_table(folder)
    missed = missed_bars(table, run.config.bars) if run.must_hold else []
    if missed:
        raise ModelError(f"{folder} should be over its bars", found=", ".join(missed), hint="remove it to train again")
    return table


def check_way_is_free(out: Path, work: Path, *, resume: bool) -> None:
    """Refuse before the work and not after it."""
    if out.exists():
        raise ArtifactError(f"nothing was expected at {out}", found="one that exists", hint="choose another --out")
    begun = work.is_dir() and any(work.iterdir())
    if begun and not resume:
        hint = "go on with --resume, or remove it"
        raise ArtifactError(f"no unfinished run was expected at {work}", found="one", hint=hint)
    if resume and not begun:
        raise ArtifactError(f"an unfinished run was expected at {work}", found="none", hint="start without --resume")
