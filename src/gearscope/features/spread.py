"""A picture of all features: two coordinates each, from their directions; features that write alike stand together.

With umap-learn (McInnes et al. 2018; the extra `map`) neighbourhoods are kept; without it, the two directions in which
features differ most (PCA).
"""

import importlib
import warnings
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from gearscope.features.weights import plane

_FEWEST = 50
"""Features for which UMAP says something."""


def spread_out(directions: Float[Tensor, "F D"], umap: Any = None) -> Float[np.ndarray, "F 2"]:
    """The map. `umap` is the module, where a test has its own."""
    flat = plane(directions).numpy()
    if umap is None:
        try:
            umap = importlib.import_module("umap")
        except ImportError:
            return flat
    if len(directions) < _FEWEST:
        return flat
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that a seed means one thread
        reducer = umap.UMAP(n_components=2, metric="cosine", init=flat, random_state=0)
        return np.asarray(reducer.fit_transform(directions.numpy()), np.float32)
