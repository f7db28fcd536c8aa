"""The figures of a training run for TensorBoard, beside the log that every run keeps (`log.jsonl`).

with tensorboard(Path("runs/clt")) as report: train_recipe(recipe, out, progress=report)
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gearscope.dictionaries.training.train import Progress, Report
from gearscope.errors import ConfigError


@contextmanager
def tensorboard(folder: Path) -> Generator[Report]:
    """Yield a progress callback that writes event files. Raises ConfigError when TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        hint = "pip install 'gearscope[plots]'"
        raise ConfigError("the package tensorboard was expected", found="none", hint=hint) from error
    writer = SummaryWriter(str(folder))

    def report(at: Progress) -> None:
        figures = {"loss": at.loss, "active": at.l0, "dead": at.dead}
        for name, value in (figures | {f"nmse/{site}": error for site, error in at.nmse.items()}).items():
            writer.add_scalar(name, value, at.tokens_done)

    try:
        yield report
    finally:
        writer.close()
