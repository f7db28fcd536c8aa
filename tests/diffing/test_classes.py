"""Classes follow from the numbers: norms, Latent Scaling, cosine, size and how often a feature fires."""

import torch

from gearscope.diffing.classes import Numbers, classes_of
from gearscope.diffing.config import ClassConfig
from gearscope.diffing.scaling import Scales

CASES = {
    # name: (delta_norm, cosine, nu_error, nu_reconstruction, fired, share, kl), class
    "both": ((0.5, 0.99, 0.0, 1.0, 100, 0.1, 1.0), "shared"),
    "in B alone": ((0.97, 0.0, 0.05, 0.1, 100, 0.1, 1.0), "gained"),
    "in A alone": ((0.03, 0.0, 0.05, 0.1, 100, 0.1, 1.0), "lost"),
    "shrunk in A": ((0.97, 0.0, 0.9, 0.1, 100, 0.1, 1.0), "shared"),
    "decoupled in A": ((0.97, 0.0, 0.05, 0.9, 100, 0.1, 1.0), "shared"),
    "turned": ((0.6, 0.2, 0.0, 1.0, 100, 0.1, 1.0), "changed"),
    "turned but small": ((0.6, 0.2, 0.0, 1.0, 100, 0.001, 1.0), "shared"),
    "turned where nothing parts": ((0.6, 0.2, 0.0, 1.0, 100, 0.1, 0.01), "shared"),
    "hardly ever": ((0.97, 0.0, 0.05, 0.1, 2, 0.1, 1.0), "silent"),
    "never": ((0.97, 0.0, float("nan"), float("nan"), 0, 0.0, 1.0), "silent"),
}


def test_each_class():
    columns = torch.tensor([numbers for numbers, _ in CASES.values()], dtype=torch.float64).T
    delta, cosine, error, written, fired, share, kl = columns
    one = torch.ones(len(CASES), dtype=torch.float64)
    numbers = Numbers(Scales(one, one, delta, cosine, error, written), share, kl, fired.long())
    found = classes_of(numbers, ClassConfig(changed_cosine=0.5, least_share=0.01, least_kl=0.1))
    assert dict(zip(CASES, found, strict=True)) == {name: kind for name, (_, kind) in CASES.items()}
