"""Writing with edits under the key-value cache is writing with edits without it."""

from collections.abc import Callable

import pytest
import torch

from gearscope.errors import ConfigError
from gearscope.ids import SiteId
from gearscope.models.model import Model, wrap
from gearscope.models.sites import Edit
from tests.oracles.tiny_models import prompt, tiny

WRITERS = ["gpt2", "llama-grouped-biases", "mistral-window", "gemma2"]
WRITERS += ["gemma3-capped-biases", "qwen2-window", "qwen3", "gpt_neox", "mixtral", "qwen3_moe-mixed", "gpt_oss"]


def edits(model: Model) -> list[Edit]:
    """In the prompt, in what is written, across both, everywhere; at most kinds of site."""
    step = torch.linspace(-2, 2, 16, dtype=torch.float64)
    middle = "attn_out" if model.anatomy.parallel else "resid_mid"
    return [
        Edit(site=SiteId(0, "mlp_out"), value=step, mode="add", positions=(2, 11)),
        Edit(site=SiteId(0, middle), value=step, mode="add", positions=range(7, 10**9)),
        Edit(site=SiteId(1, "z"), value=0.5, mode="scale", positions=(0, 5, 9, 10, 14)),
        Edit(site=SiteId(1, "k"), value=torch.tanh, positions=range(3, 12)),
        Edit(site=SiteId(1, "resid_pre"), value=torch.stack([step, -step, 2 * step]), positions=(4, 10, 13)),
        Edit(site=SiteId(0, "pattern"), value=0.7, mode="scale", positions=(6, 12)),
        Edit(site=SiteId(1, "mlp_act"), value=1.1, mode="scale"),
        *[
            Edit(site=SiteId(1, "routing"), value=1.5, mode="scale", positions=range(6, 12))
            for _ in range(model.anatomy.blocks[1].router is not None)
        ],
    ]


def written(model: Model, **settings: object) -> tuple[list[int], torch.Tensor]:
    steps = list(model.generate(prompt(), 8, **settings))
    assert [step.position for step in steps] == list(range(9, 17))
    return [step.token for step in steps], torch.stack([step.logits for step in steps])


@pytest.mark.parametrize("name", WRITERS)
def test_cache_changes_nothing(name: str, opened: Callable[..., Model]) -> None:
    # sampling at a high temperature visits more than one token even in a tiny model
    model = opened(name)
    for changes in ([], edits(model)):
        found = [
            written(
                model,
                edits=changes,
                use_cache=use_cache,
                temperature=3.0,
                generator=torch.Generator().manual_seed(5),
            )
            for use_cache in (True, False)
        ]
        assert found[0][0] == found[1][0]
        # eager attention rounds to float32 in other places when it sees one query at a time
        close = 1e-5 if name.startswith("gemma") else 1e-10
        torch.testing.assert_close(found[0][1], found[1][1], atol=close, rtol=close)
        assert len(set(found[0][0])) > 2
    plain = written(model)[1]
    assert not torch.allclose(plain, written(model, edits=edits(model))[1], atol=1e-2)


@pytest.mark.parametrize(
    "name", ["gpt2", "mistral-window", "gemma2", "gemma3", "qwen3", "gpt_neox", "qwen3_moe", "gpt_oss"]
)
def test_greedy_writing_is_the_models_own(name: str, opened: Callable[..., Model]) -> None:
    model, ids = opened(name), prompt()
    hf = model.anatomy.hf
    for _ in range(8):
        ids = torch.cat([ids, hf(ids[None]).logits[0, -1].argmax()[None]])
    assert written(model)[0] == ids[9:].tolist()


def test_readings_come_with_each_token() -> None:
    model = wrap(tiny("llama", dtype=torch.float64))
    site = "blocks.1.mlp_out"
    steps = list(model.generate(prompt(), 4, read=[site]))
    assert [step.sites[site].shape[0] for step in steps] == [9, 1, 1, 1]
    text = torch.cat([prompt(), torch.tensor([step.token for step in steps[:-1]])])
    whole = model.run(text, read=[site]).sites[site]
    torch.testing.assert_close(torch.cat([step.sites[site] for step in steps]), whole, atol=1e-6, rtol=1e-6)


def test_ends_with_the_context_and_leaves_no_hooks() -> None:
    hf = tiny("gpt2")
    model = wrap(hf)
    steps = model.generate(prompt(30), 10, edits=[Edit(site=SiteId(0, "pattern"), value=0.5, mode="scale")])
    next(steps)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in hf.modules()), "nothing is held between tokens"
    assert hf.config._attn_implementation == "sdpa"
    assert len(list(steps)) == 1
    assert list(model.generate(prompt(32), 10)) == []


def test_drawing_needs_a_generator() -> None:
    model = wrap(tiny("gpt2"))
    for temperature in (1.0, -1.0):
        with pytest.raises(ConfigError, match="random generator"):
            model.generate(prompt(), 3, temperature=temperature)
    draws = [
        [s.token for s in model.generate(prompt(), 8, temperature=5.0, generator=torch.Generator().manual_seed(seed))]
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]
