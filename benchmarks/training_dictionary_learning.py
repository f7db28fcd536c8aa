"""dictionary_learning in `training.py`: its `trainSAE` on stored activations. See `training_shared.py`.

Made for dictionary-learning 0.1.0. Its trainers begin the decoder's bias at the geometric median of the first batch by
themselves; the first weights are given by a class of dictionary that begins at them.
"""

import tempfile
from pathlib import Path

import torch
from dictionary_learning.trainers import BatchTopKSAE, BatchTopKTrainer, TopKTrainer
from dictionary_learning.trainers.top_k import AutoEncoderTopK
from dictionary_learning.training import trainSAE
from measure import Laps
from training_shared import batches, begin, finish, first, training_tokens

KINDS = {"topk": (TopKTrainer, AutoEncoderTopK), "batchtopk": (BatchTopKTrainer, BatchTopKSAE)}


def beginning_at(made: type, start: dict[str, torch.Tensor]) -> type:
    class Begun(made):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            self.encoder.weight.data.copy_(start["W_enc.0"])
            self.decoder.weight.data.copy_(start["W_dec.0"].T)

    return Begun


def main() -> None:
    folder, out, settings = begin()
    trainer, made = KINDS[settings["case"]]
    acts, start = training_tokens(folder, "sae", settings), first(folder, settings)
    laps = Laps()
    config = {
        "trainer": trainer,
        "dict_class": beginning_at(made, start),
        "steps": settings["steps"],
        "activation_dim": acts.shape[1],
        "dict_size": settings["n_features"],
        "k": settings["k"],
        "layer": 2,
        "lm_name": "random",
        "lr": settings["learning_rate"],
        "warmup_steps": 0,
        "decay_start": 1,
        "seed": 0,
        "device": "cpu",
    }
    with tempfile.TemporaryDirectory() as scratch:
        trainSAE(batches(acts, settings, laps), [config], steps=settings["steps"], save_dir=scratch, device="cpu")
        found = laps.found()
        stored = torch.load(Path(scratch) / "trainer_0" / "ae.pt")
    W_enc, b_dec = stored["encoder.weight"], stored["b_dec"]
    weights = {
        "W_enc.0": W_enc,
        "b_enc.0": stored["encoder.bias"] - W_enc @ b_dec,
        "W_dec.0": stored["decoder.weight"].T,
        "b_dec": b_dec[None],
    }
    finish(out, weights, found)


if __name__ == "__main__":
    main()
