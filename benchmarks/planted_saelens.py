"""SAELens in `planted.py`: topk, batchtopk and matryoshka. See `planted_shared.py`.

DATA holds for SAELens' own scores `held_out` [P, D], `codes` [P, U] and `directions` [U, D]. A latent counts as dead
after `dead_after` tokens: its own window of 1,000 steps is longer than such a run. Made for sae-lens 6.54.12.
"""

from pathlib import Path
from typing import Any

import torch
from planted_shared import Settings, batches, n_steps, run
from sae_lens import (
    BatchTopKTrainingSAE,
    BatchTopKTrainingSAEConfig,
    MatryoshkaBatchTopKTrainingSAE,
    MatryoshkaBatchTopKTrainingSAEConfig,
    TopKTrainingSAE,
    TopKTrainingSAEConfig,
)
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.saes.sae import SAE, SAEMetadata
from sae_lens.synthetic.evals import (
    compute_classification_metrics,
    feature_uniqueness,
    mean_correlation_coefficient,
)
from sae_lens.training.sae_trainer import SAETrainer

KINDS = {
    "topk": (TopKTrainingSAE, TopKTrainingSAEConfig),
    "batchtopk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig),
    "matryoshka": (MatryoshkaBatchTopKTrainingSAE, MatryoshkaBatchTopKTrainingSAEConfig),
}
OWN_RATE = 3e-4
"""SAELens' default."""


def train(acts: torch.Tensor, settings: Settings) -> Any:
    made, configured = KINDS[settings["architecture"]]
    size, steps = settings["batch_tokens"], n_steps(acts, settings)
    rate = settings["learning_rate"] or OWN_RATE
    metadata = SAEMetadata(hook_name="blocks.0.hook_resid_post", model_name="planted")
    own = {"d_in": acts.shape[1], "d_sae": settings["n_features"], "k": settings["k"], "metadata": metadata}
    if settings["architecture"] == "matryoshka":
        own["matryoshka_widths"] = list(settings["prefixes"])
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=steps * size,
            train_batch_size_samples=size,
            lr=rate,
            lr_end=rate,
            lr_warm_up_steps=int(settings["warmup"] * steps),
            lr_decay_steps=int(settings["decay"] * steps),
            dead_feature_window=settings["dead_after"] // size,
            logger=LoggingConfig(log_to_wandb=False, eval_every_n_wandb_logs=2**31 - 1),
        ),
        sae=made(configured(**own)),
        data_provider=batches(acts, size),
    )
    return trainer.fit()


def store(sae: Any, folder: Path, data: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Beside the folder, what SAELens says of the SAE that it has just stored."""
    sae.save_inference_model(str(folder))
    stored = SAE.load_from_disk(folder)
    with torch.no_grad():
        latents = stored.encode(data["held_out"])
        detection = compute_classification_metrics(latents, data["codes"], stored.W_dec, data["directions"])
    own = {
        "mcc": mean_correlation_coefficient(stored.W_dec.detach(), data["directions"]),
        "uniqueness": feature_uniqueness(stored.W_dec.detach(), data["directions"]),
        "f1_by_latent": detection.f1_score,
        "l0": float((latents != 0).float().sum(1).mean()),
    }
    return {"own": own}


if __name__ == "__main__":
    run(train, store)
