"""llamascopium in `training.py`: its `Trainer` with its cross-layer transcoder. See `training_shared.py`.

Made for llamascopium 2.0.0b34: top-k in each layer, decoders by its sparse (CSR) products, metrics off, Adam.
"""

import tempfile
from collections.abc import Iterator
from typing import Any

import torch
from llamascopium.models.clt import CLTConfig, CrossLayerTranscoder
from llamascopium.trainer import Trainer, TrainerConfig
from measure import Laps
from training_shared import batches, begin, finish, first, training_tokens


def named(acts: torch.Tensor, hooks: list[str], settings: dict[str, Any], laps: Laps) -> Iterator[dict[str, Any]]:
    for batch in batches(acts, settings, laps):
        about = {"tokens": torch.zeros(len(batch), dtype=torch.long), "mask": torch.ones(len(batch), dtype=torch.long)}
        yield dict(zip(hooks, batch.unbind(1), strict=True)) | about


def begun(hooks: list[str], width: int, settings: dict[str, Any], start: dict[str, torch.Tensor]) -> Any:
    n_layers = len(hooks) // 2
    config = CLTConfig(
        d_model=width,
        expansion_factor=settings["n_features"] / width,
        act_fn="topk",
        top_k=settings["k"],
        hook_points_in=hooks[:n_layers],
        hook_points_out=hooks[n_layers:],
        norm_activation="inference",
        sparsity_include_decoder_norm=False,
        decode_with_csr=True,
    )
    clt = CrossLayerTranscoder(config)
    with torch.no_grad():
        for layer in range(n_layers):
            clt.W_E[layer] = start[f"W_enc.{layer}"].T
            clt.b_D[layer].copy_(start["b_dec"][layer])
            clt.W_D[layer].zero_()
            clt.W_D[layer][layer] = start[f"W_dec.{layer}"][:, :width]
        clt.b_E.zero_()
    return clt


def main() -> None:
    folder, out, settings = begin()
    acts, start = training_tokens(folder, "clt", settings), first(folder, settings)
    n_layers, width = acts.shape[1] // 2, acts.shape[2]
    hooks = [f"{side}.{layer}" for side in ("in", "out") for layer in range(n_layers)]
    laps = Laps()
    clt = begun(hooks, width, settings, start)
    with tempfile.TemporaryDirectory() as scratch:
        config = TrainerConfig(
            l1_coefficient=None,
            amp_dtype=torch.float32,
            k_warmup_steps=0,
            skip_metrics_calculation=True,
            lr=settings["learning_rate"],
            lr_scheduler_name="linearwarmupdecay",
            lr_warm_up_steps=0,
            lr_cool_down_steps=0,
            total_training_tokens=settings["steps"] * settings["batch"],
            n_checkpoints=0,
            exp_result_path=scratch,
        )
        Trainer(config).fit(clt, _Stream(acts, hooks, settings, laps))
        laps.mark()
    found = laps.found()
    weights = {"b_dec": torch.stack(list(clt.b_D))}
    for layer in range(n_layers):
        weights[f"W_enc.{layer}"], weights[f"b_enc.{layer}"] = clt.W_E[layer].T, clt.b_E[layer]
        weights[f"W_dec.{layer}"] = torch.cat([clt.W_D[target][layer] for target in range(layer, n_layers)], dim=1)
    finish(out, weights, found)


class _Stream:
    """From the first batch at every `iter`, of which the trainer takes two: one to look at, one to train on."""

    def __init__(self, acts: torch.Tensor, hooks: list[str], settings: dict[str, Any], laps: Laps) -> None:
        self._made = (acts, hooks, settings, laps)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return named(*self._made)


if __name__ == "__main__":
    main()
