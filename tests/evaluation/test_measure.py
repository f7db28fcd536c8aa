"""The report puts every figure beside its layer and its baseline."""

import pytest
import torch

from gearscope.dictionaries.fidelity import measure_fidelity, shuffled
from gearscope.evaluation.measure import measure_dictionaries
from gearscope.evaluation.replaced import agreement
from gearscope.evaluation.report import DictionaryReport
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
    plain, random = (agreement(model, one, [ids[:3]]) for one in (dictionaries, shuffled(dictionaries)))
    assert report.replaced.kl == pytest.approx(plain.kl / 24, rel=1e-4)
    assert report.replaced.top1 == plain.same / 24
    assert report.replaced_shuffled.kl == pytest.approx(random.kl / 24, rel=1e-4)
    assert DictionaryReport.from_json(report.to_json()) == report
