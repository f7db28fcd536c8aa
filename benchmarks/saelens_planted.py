"""Runs in SAELens' own environment, without gearscope: planted activations in, a trained SAE and what it cost out.

    python benchmarks/saelens_planted.py DATA.safetensors OUT ARCHITECTURE SETTINGS

ARCHITECTURE is topk or batchtopk, SETTINGS JSON: n_features, k, batch_tokens, learning_rate, warmup, decay, seed. DATA
holds `train` [N, D], which is read once in its order, and for SAELens' own scores `held_out` [P, D], `codes` [P, U] and
`directions` [U, D]. OUT becomes a folder in SAELens' own format. The last line printed is JSON. Everything that is not
in SETTINGS is SAELens' default. Made for sae-lens 6.54.12.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from measure import Measured
from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.saes.sae import SAE, SAEMetadata
from sae_lens.synthetic.evals import (
    compute_classification_metrics,
    feature_uniqueness,
    mean_correlation_coefficient,
)
from sae_lens.training.sae_trainer import SAETrainer
from safetensors.torch import load_file

KINDS = {
    "topk": (TopKTrainingSAE, TopKTrainingSAEConfig),
    "batchtopk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig),
}


def batches(acts: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    while True:  # the trainer stops by itself; what it reads beyond the end begins anew
        yield from acts.split(size)[: len(acts) // size]


def train(acts: torch.Tensor, architecture: str, settings: dict):
    torch.manual_seed(settings["seed"])
    made, configured = KINDS[architecture]
    size = settings["batch_tokens"]
    steps = len(acts) // size
    metadata = SAEMetadata(hook_name="blocks.0.hook_resid_post", model_name="planted")
    config = configured(d_in=acts.shape[1], d_sae=settings["n_features"], k=settings["k"], metadata=metadata)
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=steps * size,
            train_batch_size_samples=size,
            lr=settings["learning_rate"],
            lr_end=settings["learning_rate"],
            lr_warm_up_steps=int(settings["warmup"] * steps),
            lr_decay_steps=int(settings["decay"] * steps),
            logger=LoggingConfig(log_to_wandb=False, eval_every_n_wandb_logs=2**31 - 1),
        ),
        sae=made(config),
        data_provider=batches(acts, size),
    )
    return trainer.fit()


def own_scores(folder: Path, data: dict[str, torch.Tensor]) -> dict[str, float]:
    """What SAELens says of the SAE that it has just stored."""
    sae = SAE.load_from_disk(folder)
    with torch.no_grad():
        latents = sae.encode(data["held_out"])
        detection = compute_classification_metrics(latents, data["codes"], sae.W_dec, data["directions"])
    return {
        "mcc": mean_correlation_coefficient(sae.W_dec.detach(), data["directions"]),
        "uniqueness": feature_uniqueness(sae.W_dec.detach(), data["directions"]),
        "f1_by_latent": detection.f1_score,
        "l0": float((latents != 0).float().sum(1).mean()),
    }


def main(data_file: str, out: str, architecture: str, settings: str) -> None:
    torch.set_num_threads(1)
    data = load_file(data_file)
    with Measured() as measured:
        sae = train(data["train"], architecture, json.loads(settings))
    sae.save_inference_model(out)
    print(json.dumps({"cpu_seconds": measured.cpu_seconds, "own": own_scores(Path(out), data)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
