"""Every site reads what an independent forward pass has there, and writing there has that pass's effect."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gearscope.errors import ConfigError
from gearscope.ids import BLOCK_SITES, MODEL_SITES, SiteId
from gearscope.models.model import Model, wrap
from gearscope.models.sites import Edit
from tests.oracles.reference_forward import reference
from tests.oracles.tiny_models import CASES, prompt, tiny

SITES = [*MODEL_SITES, *(f"blocks.{layer}.{name}" for layer in range(2) for name in BLOCK_SITES)]
EDITED = ["gpt2", "llama-grouped-biases", "mistral-window", "gemma2", "gemma3", "qwen2", "qwen3", "gpt_neox"]
EDITED += ["mixtral", "qwen3_moe-mixed", "gpt_oss"]
NEAR = {"atol": 1e-5, "rtol": 1e-5}
"""transformers rounds RMS norms and eager softmax to float32 inside float64 models."""


def sites_of(model: Model) -> list[str]:
    """The sites that this model has."""
    blocks = model.anatomy.blocks
    missing = {f"blocks.{layer}.routing" for layer, parts in enumerate(blocks) if parts.router is None}
    if model.anatomy.parallel:
        missing |= {f"blocks.{layer}.resid_mid" for layer in range(len(blocks))}
    return [site for site in SITES if site not in missing]


def edited(model: Model, ids: Tensor, site: str, value: object, **more: object) -> Tensor:
    edit = Edit(site=SiteId.parse(site), value=value, **more)
    return model.run(ids, edits=[edit]).logits


@pytest.mark.parametrize("name", CASES)
def test_sites_read_what_is_there(name: str, opened: Callable[..., Model]) -> None:
    model, ids = opened(name), prompt()
    truth = reference(model.anatomy.hf, ids)
    sites = sites_of(model)
    result = model.run(ids, read=sites)
    assert set(result.sites) == set(sites)
    for site in sites:
        assert result.sites[site].shape == truth[site].shape, site
        torch.testing.assert_close(result.sites[site], truth[site], **NEAR, msg=site)
    assert torch.equal(result.logits, result.sites["logits"])


@pytest.mark.parametrize("name", CASES)
def test_reading_changes_no_logits(name: str, opened: Callable[..., Model]) -> None:
    for dtype, close in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        model, ids = opened(name, dtype), prompt()
        hf = model.anatomy.hf
        plain = hf(ids[None]).logits[0]
        assert torch.equal(model.run(ids).logits, plain)
        sites = sites_of(model)
        silent = [site for site in sites if not site.endswith("pattern")]
        torch.testing.assert_close(model.run(ids, read=silent).logits, plain, atol=close, rtol=close)
        # eager attention rounds its softmax to float32, the recording one does not
        close = 1e-5 if hf.config._attn_implementation == "eager" else close
        torch.testing.assert_close(model.run(ids, read=sites).logits, plain, atol=close, rtol=close)


@pytest.mark.parametrize("name", EDITED)
def test_writing_what_was_read_changes_nothing(name: str, opened: Callable[..., Model]) -> None:
    model, ids = opened(name), prompt()
    sites = sites_of(model)
    result = model.run(ids, read=sites)
    for site in sites:
        edit = Edit(site=SiteId.parse(site), value=result.sites[site])
        again = model.run(ids, edits=[edit], read=["blocks.0.pattern"])
        torch.testing.assert_close(again.logits, result.logits, atol=1e-12, rtol=1e-12, msg=site)


@pytest.mark.parametrize("name", EDITED)
def test_writing_zero_has_the_effect_it_should(name: str, opened: Callable[..., Model]) -> None:
    model, ids = opened(name), prompt()
    hf = model.anatomy.hf
    plain = reference(hf, ids)["logits"]
    for site in sites_of(model):
        truth = reference(hf, ids, {site: torch.zeros_like})["logits"]
        torch.testing.assert_close(edited(model, ids, site, 0.0), truth, **NEAR, msg=site)
        assert not torch.allclose(truth, plain, atol=1e-3), site


def at(position: int, change: object) -> object:
    """Change one position of a value whose positions are its first axis."""

    def changed(x: Tensor) -> Tensor:
        x = x.clone()
        x[position] = change(x[position])
        return x

    return changed


def test_modes_positions_and_functions() -> None:
    hf, ids = tiny("llama", heads="grouped", dtype=torch.float64), prompt()
    model, site = wrap(hf), "blocks.0.mlp_out"
    step = torch.linspace(-1, 1, 16, dtype=torch.float64)

    def truth(change: object) -> Tensor:
        return reference(hf, ids, {site: change})["logits"]

    for value, more, change in (
        (step, {"mode": "add", "positions": (3,)}, at(3, lambda x: x + step)),
        (step, {"positions": [3]}, at(3, lambda x: step)),
        (2.5, {"mode": "scale"}, lambda x: 2.5 * x),
        (step, {"mode": "scale", "positions": (8,)}, at(8, lambda x: x * step)),
        (step, {"mode": "add", "positions": range(5, 10**9)}, lambda x: torch.cat([x[:5], x[5:] + step])),
        (torch.stack([step, -step]), {"positions": (6, 2)}, lambda x: at(2, lambda _: -step)(at(6, lambda _: step)(x))),
        (torch.stack([step, -step]), {}, lambda x: torch.cat([torch.stack([step, -step]), x[2:]])),
        (torch.tanh, {}, torch.tanh),
        (torch.tanh, {"positions": (4,)}, at(4, torch.tanh)),
    ):
        torch.testing.assert_close(edited(model, ids, site, value, **more), truth(change), **NEAR)
    after = model.run(ids, edits=[Edit(site=SiteId.parse(site), value=0.0)], read=[site]).sites[site]
    assert torch.equal(after, torch.zeros(9, 16, dtype=torch.float64)), "a reading shows the edited value"


def test_edits_of_heads_and_patterns() -> None:
    hf, ids = tiny("gpt2", dtype=torch.float64), prompt()
    model = wrap(hf)
    head = torch.zeros(4, 4, dtype=torch.float64)
    for site in ("blocks.1.q", "blocks.1.k", "blocks.1.v", "blocks.1.z"):
        truth = reference(hf, ids, {site: at(5, lambda _: head)})["logits"]
        torch.testing.assert_close(edited(model, ids, site, head, positions=(5,)), truth, **NEAR)

    def look_at_first(pattern: Tensor) -> Tensor:
        pattern = pattern.clone()
        pattern[:, 5] = torch.eye(9, dtype=torch.float64)[0]
        return pattern

    truth = reference(hf, ids, {"blocks.1.pattern": look_at_first})["logits"]
    row = torch.eye(9, dtype=torch.float64)[0].expand(4, 9)
    torch.testing.assert_close(edited(model, ids, "blocks.1.pattern", row, positions=(5,)), truth, **NEAR)


@pytest.mark.parametrize("family", ["gemma2", "mixtral"])
def test_batches_have_a_leading_axis(family: str) -> None:
    model = wrap(tiny(family, heads="single", dtype=torch.float64))
    sites = sites_of(model)
    rows = torch.stack([prompt(seed=1), prompt(seed=2)])
    edit = Edit(site=SiteId.parse("blocks.0.z"), value=0.5, mode="scale", positions=(4,))
    together = model.run(rows, read=sites, edits=[edit])
    for row, ids in enumerate(rows):
        alone = model.run(ids, read=sites, edits=[edit])
        torch.testing.assert_close(together.logits[row], alone.logits)
        for site in sites:
            torch.testing.assert_close(together.sites[site][row], alone.sites[site])


def test_legacy_names_and_module_paths() -> None:
    hf, ids = tiny("llama", dtype=torch.float64), prompt()
    read = ["blocks.1.hook_resid_post", SiteId(1, "resid_post"), "model.layers.1", "model.layers.1.self_attn"]
    sites = wrap(hf).run(ids, read=read).sites
    assert torch.equal(sites["blocks.1.hook_resid_post"], sites["model.layers.1"])
    assert torch.equal(sites["blocks.1.resid_post"], sites["model.layers.1"])
    assert sites["model.layers.1.self_attn"].shape == (9, 16)


def test_parallel_layers_have_no_middle() -> None:
    model, ids = wrap(tiny("gpt_neox")), prompt()
    with pytest.raises(ConfigError, match=r"parallel layer was expected.*found blocks\.1\.resid_mid"):
        model.run(ids, read=["blocks.1.resid_mid"])
    with pytest.raises(ConfigError, match="parallel layer"):
        edited(model, ids, "blocks.0.resid_mid", 0.0)
    serial = wrap(tiny("gpt_neox", use_parallel_residual=False))
    assert serial.run(ids, read=["blocks.1.resid_mid"]).sites["blocks.1.resid_mid"].shape == (9, 16)


def test_routing_belongs_to_layers_with_experts() -> None:
    model, ids = wrap(tiny("qwen3_moe", mlp_only_layers=[0])), prompt()
    assert model.run(ids, read=["blocks.1.routing"]).sites["blocks.1.routing"].shape == (9, 4)
    for wrong, site in ((model, "blocks.0.routing"), (wrap(tiny("llama")), "blocks.1.routing")):
        with pytest.raises(ConfigError, match=f"layer with experts was expected; found {site}"):
            wrong.run(ids, read=[site])


def test_other_experts_can_be_chosen() -> None:
    hf, ids = tiny("gpt_oss", dtype=torch.float64), prompt()
    model, site = wrap(hf), "blocks.0.routing"
    routing = model.run(ids, read=[site]).sites[site]
    left_out = (routing[4] == 0).double()
    truth = reference(hf, ids, {site: at(4, lambda _: left_out)})
    edit = Edit(site=SiteId.parse(site), value=left_out, positions=(4,))
    found = model.run(ids, edits=[edit], read=["blocks.0.mlp_act", site])
    torch.testing.assert_close(found.logits, truth["logits"], **NEAR)
    torch.testing.assert_close(found.sites["blocks.0.mlp_act"], truth["blocks.0.mlp_act"], **NEAR)
    assert torch.equal(found.sites[site][4], left_out)
    assert not torch.allclose(found.logits, model.run(ids).logits, atol=1e-3)


def test_neurons_of_experts_that_were_not_chosen_write_nothing() -> None:
    model, ids = wrap(tiny("mixtral", dtype=torch.float64)), prompt()
    result = model.run(ids, read=["blocks.0.routing", "blocks.0.mlp_act"])
    expert = int((result.sites["blocks.0.routing"][4] == 0).nonzero()[0])
    acts = result.sites["blocks.0.mlp_act"][4].clone()
    assert not acts.view(3, 8)[expert].any()
    acts.view(3, 8)[expert] = 7.0
    same = model.run(ids, edits=[Edit(site=SiteId(0, "mlp_act"), value=acts, positions=(4,))])
    torch.testing.assert_close(same.logits, result.logits, atol=1e-12, rtol=1e-12)


def test_parts_of_a_head_are_edited_alone() -> None:
    model, ids = wrap(tiny("gpt_neox", dtype=torch.float64)), prompt()
    plain = model.run(ids, read=["blocks.0.q", "blocks.0.k", "blocks.0.v"]).sites
    edit = Edit(site=SiteId(0, "k"), value=2.0, mode="scale", positions=(3,))
    after = model.run(ids, edits=[edit], read=["blocks.0.q", "blocks.0.k", "blocks.0.v"]).sites
    assert torch.equal(after["blocks.0.q"], plain["blocks.0.q"])
    assert torch.equal(after["blocks.0.v"], plain["blocks.0.v"])
    torch.testing.assert_close(after["blocks.0.k"][3], 2 * plain["blocks.0.k"][3])
    assert torch.equal(after["blocks.0.k"][4:], plain["blocks.0.k"][4:])


def test_mistakes_are_named() -> None:
    model, ids = wrap(tiny("gpt2")), prompt()
    for site, message in (("blocks.2.mlp_out", "layer below 2"), ("resid", "site name"), ("", "site name")):
        with pytest.raises(ConfigError, match=message):
            model.run(ids, read=[site])
    for value, more, message in (
        (torch.zeros(7), {}, r"fits \(9, 16\); found \(7,\)"),
        (torch.zeros(3, 16), {"positions": (1, 2)}, "2 positions needs as many rows; found 3"),
    ):
        with pytest.raises(ConfigError, match=message):
            edited(model, ids, "blocks.0.mlp_out", value, **more)
    for settings, message in (
        ({"mode": "replace"}, "sets, adds or scales"),
        ({"positions": (-1,)}, "count from 0"),
        ({"value": torch.tanh, "mode": "add"}, "by a function"),
    ):
        with pytest.raises(ConfigError, match=message):
            Edit(**{"site": SiteId(0, "mlp_out"), "value": 1.0, **settings})
