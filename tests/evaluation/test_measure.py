"""The report puts every figure beside its layer and its baseline."""

from functools import partial

import pytest
import torch

from gearscope.dictionaries.fidelity import measure_fidelity, shuffled
from gearscope.evaluation.agreement import compare
from gearscope.evaluation.measure import measure_dictionaries
from gearscope.evaluation.positions import spans
from gearscope.evaluation.replaced import constant_logits, replaced_logits
from gearscope.evaluation.report import DictionaryReport, Replaced
from gearscope.models.model import wrap
from tests.oracles.counted_corpus import Counted
from tests.oracles.planted_dictionaries import Plan, plant_set
from tests.oracles.tiny_models import WIDTH, tiny


def test_the_report_of_a_cross_layer_transcoder():
    model, corpus = wrap(tiny("llama")), Counted(context=9)
    dictionaries, _ = plant_set(Plan(cross_layer=True, write_form="site"), 2, WIDTH, dtype=torch.float32)
    report, fidelity = measure_dictionaries(model, dictionaries, corpus, tokens=100)
    ids = corpus.take(13, None).ids
    assert (report.tokens, report.replaced_tokens) == (104, 3 * 8)
    sites = [f"blocks.{layer}.{site}" for layer in range(2) for site in ("mlp_in", "mlp_out")]
    read = model.run(ids, read=sites).sites
    again = measure_fidelity(dictionaries, [{site: read[site][:, 1:].flatten(0, 1) for site in sites}])
    assert fidelity.nmse == pytest.approx(again.nmse, rel=1e-4)
    for number, layer in enumerate(report.layers):
        assert (layer.reads, layer.writes) == (f"blocks.{number}.mlp_in", f"blocks.{number}.mlp_out")
        assert layer.nmse == fidelity.nmse[layer.writes]
        assert layer.nmse_shuffled == fidelity.nmse_shuffled[layer.writes]
        assert (layer.l0, layer.dead) == (fidelity.features[number].l0, fidelity.features[number].dead)
    assert report.worst.nmse == max(fidelity.nmse.values())
    runs = [partial(replaced_logits, model, one) for one in (dictionaries, shuffled(dictionaries))]
    plain, found, random, constant = compare(model, [*runs, partial(constant_logits, model, fidelity.mean)], [ids[:3]])
    for said, run in zip(
        (report.replaced, report.replaced_shuffled, report.at_means), runs_of(found, random, constant), strict=True
    ):
        assert said.model_dump() == pytest.approx(run, rel=1e-4)
    assert report.plain_loss == pytest.approx(plain.mean_loss, rel=1e-5)
    assert DictionaryReport.from_json(report.to_json()) == report


def runs_of(*runs):
    return [{"top1": float(run.same.sum()) / 24, "kl": float(run.kl.sum()) / 24, "loss": run.mean_loss} for run in runs]


def test_positions_stand_beside_the_layers():
    model, corpus = wrap(tiny("llama")), Counted(context=9)
    dictionaries, _ = plant_set(Plan(cross_layer=True, write_form="site"), 2, WIDTH, dtype=torch.float32)
    report, _ = measure_dictionaries(model, dictionaries, corpus, tokens=100)
    assert [(one.first, one.last) for one in report.positions] == [(1, 1), (2, 3), (4, 7), (8, 8)]
    sizes = [len(span) / 8 for span in spans(9)]
    for number, layer in enumerate(report.layers):
        found = [one.l0[number] for one in report.positions]
        assert sum(a * b for a, b in zip(found, sizes, strict=True)) == pytest.approx(layer.l0)
        errors = [one.nmse[number] for one in report.positions]
        assert min(errors) <= layer.nmse <= max(errors)
    for name in ("top1", "kl"):
        found = [getattr(one, name) for one in report.positions]
        expected = getattr(report.replaced, name)
        assert sum(a * b for a, b in zip(found, sizes, strict=True)) == pytest.approx(expected)


def test_recovered_loss_is_one_for_no_harm_and_zero_for_constants():
    def reported(loss: float, at_means: float | None) -> DictionaryReport:
        run = Replaced(top1=0.5, kl=0.1, loss=loss)
        means = None if at_means is None else Replaced(top1=0.1, kl=1.0, loss=at_means)
        return DictionaryReport(
            tokens=1,
            layers=(),
            replaced_tokens=1,
            replaced=run,
            replaced_shuffled=Replaced(top1=0.0, kl=2.0, loss=6.0),
            at_means=means,
            plain_loss=2.0,
        )

    assert [reported(loss, 4.0).recovered for loss in (2.0, 3.0, 4.0)] == [1.0, 0.5, 0.0]
    assert reported(2.0, 4.0).recovered_shuffled == -1.0
    assert reported(2.0, None).recovered is None
    assert reported(2.0, 2.0).recovered is None, "constants that cost nothing"
