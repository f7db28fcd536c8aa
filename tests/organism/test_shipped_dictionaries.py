"""The dictionaries in the package: whole, small, made for this model by the named recipe, and over their bars."""

import json

import pytest

from gearscope.artifact import verify
from gearscope.dictionaries.formats.own import KIND
from gearscope.dictionaries.store import read_dictionaries
from gearscope.evaluation.measure import measure_dictionaries
from gearscope.evaluation.report import DictionaryReport
from gearscope.models.load import open_model
from gearscope.opening import organism_folder
from gearscope.organism.corpus import WorldCorpus
from gearscope.recipes.config import RECIPES
from gearscope.workbench import Workbench

LAST_ROUND = {"plt": "organism-plt-3", "clt": "organism-clt-2"}
BARS = {"nmse": 0.01, "l0": 16.0, "dead": 0.02, "top1": 0.97}
"""On held-out text, in every layer."""


@pytest.fixture(scope="module")
def model():
    return open_model(organism_folder())


@pytest.fixture(params=["plt", "clt"])
def name(request) -> str:
    return request.param


def stored_report(name: str) -> DictionaryReport:
    manifest = verify(organism_folder(name), KIND)
    return DictionaryReport.from_json(json.dumps(manifest["config"]["measured"]))


def assert_over_bars(report: DictionaryReport, slack: float) -> None:
    for layer in report.layers:
        assert layer.nmse < BARS["nmse"] * slack, layer
        assert layer.l0 <= BARS["l0"] * slack, layer
        assert layer.nmse_shuffled > 0.5, "the measurement can fail"
    assert report.replaced.top1 > 1 - (1 - BARS["top1"]) * slack
    assert report.replaced_shuffled.top1 < 0.3


def test_they_are_whole_and_made_for_this_model_by_the_named_recipe(name, model):
    manifest = verify(organism_folder(name), KIND)
    assert manifest["inputs"]["model"] == model.fingerprint
    assert manifest["inputs"]["corpus"] == WorldCorpus("train", model.context).fingerprint
    recipe = RECIPES[LAST_ROUND[name]].model_dump(mode="json", exclude={"about"})
    made = manifest["config"]["training"]
    assert {part: made[part] for part in ("training", "tuning", "stored_as")} == {
        part: recipe[part] for part in ("training", "tuning", "stored_as")
    }
    assert read_dictionaries(organism_folder(name)).kind == name


def test_both_together_are_small():
    files = [path for name in ("plt", "clt") for path in organism_folder(name).iterdir()]
    assert sum(path.stat().st_size for path in files) < 14e6


def test_stored_figures_are_over_their_bars(name):
    report = stored_report(name)
    assert report.tokens > 100_000
    assert max(layer.dead for layer in report.layers) < BARS["dead"]
    assert_over_bars(report, 1.0)


def test_a_held_out_sample_is_over_the_bars(name, model):
    """A few windows: the slack is for their number. Rare features do not fire in so little text, so none is dead."""
    dictionaries = read_dictionaries(organism_folder(name))
    report, _ = measure_dictionaries(model, dictionaries, WorldCorpus("held_out", model.context), tokens=2_500)
    assert_over_bars(report, 1.5)


def test_features_carry_their_statistics(name):
    for dictionary in read_dictionaries(organism_folder(name)).dictionaries:
        assert dictionary.max_activation is not None
        assert dictionary.density is not None
        assert ((dictionary.max_activation > 0) == (dictionary.density > 0)).all()
        assert 10 < float(dictionary.density.sum()) < 16.1


def test_the_demonstration_is_traced_through_them(name):
    graph = Workbench.open(basis=name).trace("calc : 36 + 59 =")
    assert graph.nodes.labels[graph.layout.targets.start].strip() == "95"
    assert graph.scores.replacement.as_published.low > 0.8
