"""Small builds: a tiny random model, dictionaries that no training made, and a corpus that needs no text."""

from pathlib import Path

import numpy as np
import torch

from gearscope.features import reading
from gearscope.features.build import Names, build_library
from gearscope.features.coders import dictionary_coders
from gearscope.features.config import LibraryConfig
from gearscope.features.reading import Subject
from gearscope.features.store import Library
from gearscope.models.model import wrap
from tests.oracles.counted_corpus import Counted
from tests.oracles.planted_dictionaries import plant_at
from tests.oracles.tiny_models import tiny

CONTEXT = 9
reading.PASS_TOKENS = 40  # passes of four windows, so that little text makes many shards
NAMES = Names("tiny", "planted", "counted")
SMALL = LibraryConfig(
    tokens=1600, top=6, sample=25, per_decile=2, around=4, effects=4, triggers=5, neighbours=7, cofiring=6
)
KINDS = {
    "sae": [((f"blocks.{i}.resid_post",),) * 2 for i in (0, 1)],
    "plt": [((f"blocks.{i}.mlp_in",), (f"blocks.{i}.mlp_out",)) for i in (0, 1)],
    "clt": [((f"blocks.{i}.mlp_in",), tuple(f"blocks.{j}.mlp_out" for j in range(i, 2))) for i in (0, 1)],
    "crosscoder": [(("blocks.0.resid_mid", "blocks.1.resid_mid"),) * 2],
}


def subject(kind: str = "plt", *, family: str = "gpt2", **more) -> Subject:
    torch.manual_seed(0)
    model = wrap(tiny(family))
    dictionaries = plant_at(KINDS[kind], model.d_model, dtype=torch.float32, n_features=14, **more)
    for dictionary in dictionaries.dictionaries:
        dictionary.b_enc[0] = -1e6  # never fires
        dictionary.b_enc[1] += 5  # nearly always does
    return Subject(model, dictionary_coders(dictionaries))


def corpus() -> Counted:
    return Counted(context=CONTEXT)


def build(out: Path, made: Subject, config: LibraryConfig = SMALL, **more) -> Library:
    build_library(made, corpus(), out, config, names=NAMES, inputs={"model": made.model.fingerprint}, **more)
    return Library.open(out, check_sums=True)


def dense_activations(made: Subject, windows: np.ndarray) -> np.ndarray:
    """[W, C, F], the positive part of what the dictionaries say, as a matrix; zero at first positions."""
    acts = np.zeros((*windows.shape, made.n_features), np.float32)
    sites = [site for coder in made.coders for site in coder.shelf.reads]
    for start in range(0, len(windows), 50):
        ids = torch.from_numpy(windows[start : start + 50].astype(np.int64))
        read, first = made.model.run(ids, read=sites).sites, 0
        for coder in made.coders:
            x = torch.stack([read[site][:, 1:].flatten(0, 1) for site in coder.shelf.reads], dim=1)
            codes = coder.source.encode(x).dense(coder.shelf.n_features).clamp(min=0)
            here = slice(first, first + coder.shelf.n_features)
            acts[start : start + 50, 1:, here] = codes.view(len(ids), -1, coder.shelf.n_features).numpy()
            first = here.stop
    return acts
