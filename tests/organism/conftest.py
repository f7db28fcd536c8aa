"""A plan so tiny that all of it is trained in a second: an organism, a twin, a version."""

from contextlib import contextmanager

import pytest

from gearscope.organism import train as recipe
from gearscope.organism import verify as verification
from gearscope.organism.config import OrganismConfig
from gearscope.organism.evaluate import measure, measure_all
from gearscope.organism.runs import Plan
from gearscope.organism.twins import Twin
from gearscope.organism.versions import Version

TINY = OrganismConfig(
    n_layers=1, d_model=16, n_heads=2, d_mlp=16, context=64, row_tokens=16, batch_rows=2, steps=9, warmup_steps=2,
    checkpoint_every=4, first_steps=2, last_steps=3, facts_first=1, bars={}, planning=False,
)  # fmt: skip
SMALL = OrganismConfig.of(**(TINY.model_dump() | {"tied": True, "window": None, "bars": {"rhyme": 0.0}}))
PLAN = Plan(
    main=TINY,
    twins={"one": Twin(of="rhyme", lacks="It lacks a window.", config=SMALL)},
    versions={
        "two": Version(
            name="two",
            mixture={"numbers": 1.0},
            steps=6,
            learning_rate=1e-2,
            planted=("It counts.",),
            bars={"rhyme": 0.0, "addition": 0.0},
        )
    },
    variables=("rhyme/rhyme",),
)
QUESTIONS = 2


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


def ask_few(patch):
    """Measuring is not what a test is about: ask two questions of each behaviour."""
    patch.setattr(
        recipe, "measure_all", lambda model, names=None, limit=None: measure_all(model, names, limit=QUESTIONS)
    )
    patch.setattr(verification, "measure", lambda model, name, limit: measure(model, name, QUESTIONS))


@pytest.fixture
def few_questions(monkeypatch):
    ask_few(monkeypatch)


@contextmanager
def killed_at(number, run=0, error=KilledError):
    """Within, the `number`-th step of the `run`-th run that begins is not taken any more."""
    original, seen = recipe.take_step, [-1]

    def take_step(config, model, optimizer, step):
        if step == 0:
            seen[0] += 1
        if (seen[0], step) == (run, number):
            raise error
        return original(config, model, optimizer, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "take_step", take_step)
        yield
