"""SAELens in `training.py`: its `SAETrainer` on stored activations. See `training_shared.py`.

Made for sae-lens 6.54.12. Its own defaults where nothing else is said; the auxiliary loss stays on and costs next to
nothing, since no feature counts as dead in so few steps.
"""

import torch
from measure import Laps
from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer
from training_shared import batches, begin, finish, first, training_tokens

KINDS = {
    "topk": (TopKTrainingSAE, TopKTrainingSAEConfig),
    "batchtopk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig),
}


def main() -> None:
    folder, out, settings = begin()
    made, configured = KINDS[settings["case"]]
    acts, start = training_tokens(folder, "sae", settings), first(folder, settings)
    laps = Laps()
    sae = made(configured(d_in=acts.shape[1], d_sae=settings["n_features"], k=settings["k"]))
    with torch.no_grad():
        sae.W_enc.copy_(start["W_enc.0"].T)
        sae.W_dec.copy_(start["W_dec.0"])
        sae.b_dec.copy_(start["b_dec"][0])
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=settings["steps"] * settings["batch"],
            train_batch_size_samples=settings["batch"],
            lr=settings["learning_rate"],
            lr_end=settings["learning_rate"],
            lr_warm_up_steps=0,
            lr_decay_steps=settings["steps"] - 1,
            logger=LoggingConfig(log_to_wandb=False, eval_every_n_wandb_logs=2**31 - 1),
        ),
        sae=sae,
        data_provider=batches(acts, settings, laps),
    )
    sae = trainer.fit()
    found = laps.found()
    with torch.no_grad():
        sae.fold_W_dec_norm()
        weights = {
            "W_enc.0": sae.W_enc.T,
            "b_enc.0": sae.b_enc - sae.b_dec @ sae.W_enc,
            "W_dec.0": sae.W_dec,
            "b_dec": sae.b_dec[None],
        }
    finish(out, weights, found)


if __name__ == "__main__":
    main()
