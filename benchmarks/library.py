"""The feature library: size and speed of a large one, and building beside SAEDashboard.

    python benchmarks/library.py                                   both; makes SAEDashboard's environment in build/
    python benchmarks/library.py --only store --features 100000
    python benchmarks/library.py --only build --peer PYTHON        an environment that is there already
    python benchmarks/library.py --only build --no-peer
    python benchmarks/library.py --only budget --built 4096        extra memory under two budgets

    store    a library of 1 M features that nothing measured (random numbers in every column, examples as many as a
             build keeps, a label each): bytes a feature, milliseconds to open one, to search labels, to ask a token;
             then what 30 M features would take, calculated from these bytes
    build    a random GPT-2 (4 layers, width 128) and a random JumpReLU SAE at one residual stream: the same number of
             features and the same tokens for both programs, one thread, CPU seconds of the whole process' work

Bars, in CPU time as the machine may be busy: a feature under 1 ms, labels under 50 ms, tokens under 100 ms, 1 GB; 12
times less CPU time to build. Exit code 1 when one is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import Any

import numpy as np
from measure import Measured, Private
from peer import environment

from gearscope.features import layout
from gearscope.features.arrays import new_arrays, write_arrays
from gearscope.features.config import Contents, LibraryConfig, Shelf
from gearscope.features.find import Query, find
from gearscope.features.records import NewLabel
from gearscope.features.store import Library, write_manifest_of
from gearscope.features.text import write_text

PINS = (
    "sae-dashboard==0.8.0", "sae-lens==6.54.12", "torch==2.13.0", "transformer-lens==2.17.0", "transformers==4.56.2",
    "huggingface_hub==0.36.2", "numpy<2", "pyarrow==21.0.0",
)  # fmt: skip
WITHOUT = ("torchvision", "torchaudio")
"""What comes with them does not fit torch's build for CPUs."""
MODEL = {"layers": 4, "width": 128, "heads": 4, "mlp": 512, "vocabulary": 8192}
LAYER, DICTIONARY, DENSITY, CONTEXT = 2, 4096, 0.01, 128
OPEN_MS, LABEL_MS, TOKEN_MS, GB, FASTER = 1.0, 50.0, 100.0, 1.0, 12.0
MANY = 30_000_000
VOCABULARY, WINDOWS, AROUND = 50_257, 7_813, 2.0
WORDS = [
    "tokens",
    "names",
    "code",
    "python",
    "months",
    "years",
    "legal",
    "cities",
    "animals",
    "verbs",
    "numbers",
    "quotes",
    "titles",
    "ends",
    "begins",
    "plural",
    "past",
    "medical",
    "music",
    "colour",
    "french",
    "german",
    "brackets",
    "commas",
    "dates",
    "money",
    "weather",
    "sports",
    "food",
    "travel",
    "physics",
    "law",
]


def synthetic(folder: Path, n: int) -> None:
    """A library of `n` features in the layout of a build, filled with random numbers."""
    rng, settings = np.random.default_rng(0), LibraryConfig()
    rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    per_layer = -(-n // 12)
    shelves = tuple(
        Shelf(
            layer=i, kind="plt", reads=(f"blocks.{i}.mlp_in",), writes=(f"blocks.{i}.mlp_out",),
            n_features=min(per_layer, n - i * per_layer),
        )
        for i in range(12)
        if i * per_layer < n
    )  # fmt: skip
    contents = Contents(
        settings=settings, model="none", dictionaries="none", corpus="none", shelves=shelves, d_model=MODEL["width"],
        context=CONTEXT, n_windows=WINDOWS, n_vocabulary=VOCABULARY,
        cofiring_every=WINDOWS * (CONTEXT - 1) // 10_000, cofiring_tokens=10_000,
    )  # fmt: skip
    columns = layout.feature_columns(n, VOCABULARY, settings, contents.looked_at)
    made = new_arrays(
        folder / layout.FEATURES, {k: (c.dtype, tuple(s or 0 for s in c.shape)) for k, c in columns.items()}
    )
    limits = {"promoted": VOCABULARY, "suppressed": VOCABULARY, "triggers": VOCABULARY, "neighbours": n, "cofiring": n}
    for start in range(0, n, layout.SHARD):
        for name, array in made.items():
            part = array[start : start + layout.SHARD]
            part[...] = (
                rng.integers(1, limits.get(name, 1000), part.shape)
                if part.dtype.kind in "iu"
                else rng.random(part.shape)
            )
    for shard, start in enumerate(range(0, n, layout.SHARD)):
        examples(folder / layout.examples_file(shard), min(layout.SHARD, n - start), settings, rng)
    tokens = rng.integers(0, VOCABULARY, (WINDOWS, CONTEXT)).astype(layout.token_type(VOCABULARY))
    counts = np.bincount(tokens[:, 1:].ravel(), minlength=VOCABULARY).astype(np.uint32)
    write_arrays(folder / layout.CORPUS, {"tokens": tokens, "counts": counts})
    kinds = layout.direction_columns(n, MODEL["width"])
    laid = new_arrays(folder / layout.DIRECTIONS, {name: (k.dtype, layout.shape(k)) for name, k in kinds.items()})
    for start in range(0, n, layout.SHARD):
        some = laid["direction"][start : start + layout.SHARD]
        some[...] = rng.integers(-127, 128, some.shape)
    write_text(
        folder / layout.TEXT, (f" t{i}" for i in range(VOCABULARY)), (" ".join(map(str, w)) for w in tokens.tolist())
    )
    write_manifest_of(folder, contents, {"model": "none", "dictionaries": "none", "corpus": "none"})


def examples(path: Path, n: int, settings: LibraryConfig, rng: np.random.Generator) -> None:
    """As many examples as a feature that fires often has, and `AROUND` firings around each on average."""
    each = settings.top + 10 * settings.per_decile
    n_around = rng.poisson(AROUND, n * each).clip(max=settings.around).astype(np.uint8)
    begin = np.arange(n + 1, dtype=np.uint32) * each
    around = np.append(0, np.cumsum(n_around, dtype=np.uint32))[begin].astype(np.uint32)
    write_arrays(
        path,
        {
            "begin": begin,
            "place": rng.integers(1, WINDOWS * CONTEXT, n * each).astype(np.uint32),
            "activation": rng.random(n * each).astype(np.float16),
            "tenths": np.full((n, layout.TENTHS), settings.per_decile, np.uint8),
            "n_around": n_around,
            "around_begin": around,
            "around_offset": rng.integers(-9, 9, int(around[-1])).astype(np.int8),
            "around_level": rng.integers(1, 256, int(around[-1])).astype(np.uint8),
        },
    )


def label(library: Library, n: int) -> None:
    """A label for each feature: two words of `WORDS`, and one that is nearly its own."""
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, len(WORDS), (n, 2)).tolist()
    with library.write_notes() as notes:
        for start in range(0, n, 50_000):
            some = enumerate(pairs[start : start + 50_000], start)
            notes.add_labels(
                NewLabel(i, f"{WORDS[a]} in {WORDS[b]} x{i % 5003}", "rule", score=0.5) for i, (a, b) in some
            )


def milliseconds(work: Callable[[int], object], times: int) -> dict[str, float]:
    """CPU time of one call: the first, the median of the others, one of the slowest; and the median in wall time."""
    cpu, wall = [], []
    for number in range(times):
        begin, began = time.process_time(), time.perf_counter()
        work(number)
        cpu.append(1e3 * (time.process_time() - begin))
        wall.append(1e3 * (time.perf_counter() - began))
    slow = sorted(cpu[1:])[int(0.99 * (times - 2))]
    return {"first": cpu[0], "median": median(cpu[1:]), "p99": slow, "wall": median(wall[1:])}


def store(folder: Path, n: int, *, again: bool) -> dict[str, Any]:
    """Size and speed of a large library, made first unless it is there and is to be measured again."""
    if not again:
        synthetic(folder, n)
        with Library.open(folder) as library:
            label(library, n)
    sizes = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    records = sum(size for name, size in sizes.items() if name == layout.FEATURES or name.startswith("examples"))
    draw = np.random.default_rng(2).integers(0, n, 2000).tolist()
    with Library.open(folder) as library:
        words = [f"{WORDS[i % 30]} {WORDS[(7 * i + 3) % 30]}" for i in range(100)]
        found = {
            "opened": milliseconds(lambda i: library.record(draw[i]), 1000),
            "label": milliseconds(lambda i: find(library, Query(label=words[i])), 40),
            "rare_label": milliseconds(lambda i: find(library, Query(label=f"music x{37 * i}")), 40),
            "token": milliseconds(lambda i: find(library, Query(token=f" t{100 + i}")), 20),
            "promotes": milliseconds(lambda i: find(library, Query(promotes=f" t{100 + i}")), 20),
        }
    total, corpus = sum(sizes.values()), sizes[layout.CORPUS] + sizes[layout.TEXT]
    per_feature = {
        "records": records / n,
        "directions": sizes[layout.DIRECTIONS] / n,
        "labels": sizes[layout.NOTES] / n,
    }
    many = {name: value * MANY / 1e9 for name, value in per_feature.items()}
    return found | {"features": n, "gb": total / 1e9, "corpus_gb": corpus / 1e9, "bytes": per_feature, "30M_gb": many}


def build(folder: Path, n_features: int, n_tokens: int, memory: int) -> dict[str, float]:
    """CPU seconds and extra memory of building, on random weights."""
    import torch
    from random_circuits import Size, random_model
    from training_data import Windows

    from gearscope.dictionaries.collection import DictionarySet
    from gearscope.dictionaries.config import DictionaryConfig
    from gearscope.dictionaries.dictionary import Dictionary
    from gearscope.features.build import Names, build_library
    from gearscope.features.coders import dictionary_coders
    from gearscope.features.plan import WorkConfig
    from gearscope.features.reading import Subject
    from gearscope.models.load import open_model

    if not (folder / "model").exists():
        random_model("gpt2", folder / "model", Size(key_value_heads=4, **MODEL))
    torch.manual_seed(0)
    model, site = open_model(str(folder / "model")), f"blocks.{LAYER}.resid_post"
    ids, W_enc = tokens_of(folder, n_tokens), torch.randn(DICTIONARY, 1, MODEL["width"])
    pre = model.read(ids[:64], [site])[site][:, 1:].flatten(0, 1)[:4096] @ W_enc[:, 0].T
    sae = Dictionary(
        config=DictionaryConfig(
            reads=(site,), writes=(site,), n_features=n_features, d_model=MODEL["width"], activation="jumprelu"
        ),
        W_enc=W_enc[:n_features],
        b_enc=torch.zeros(n_features),
        W_dec=torch.nn.functional.normalize(torch.randn(n_features, 1, MODEL["width"]), dim=2),
        b_dec=torch.zeros(1, MODEL["width"]),
        threshold=pre.quantile(1 - DENSITY, dim=0).clamp(min=0)[:n_features],
    )
    subject = Subject(model, dictionary_coders(DictionarySet(dictionaries=(sae,))))
    out = folder / f"lib-{n_features}"
    rmtree(out, ignore_errors=True)
    with Measured() as measured, Private() as private:
        build_library(
            subject, Windows(ids), out, LibraryConfig(tokens=n_tokens), names=Names("random", "random", "zipf"),
            inputs={"model": model.fingerprint}, work=WorkConfig(memory_megabytes=memory),
        )  # fmt: skip
    with Library.open(out) as library:
        density = float(library.columns["fired"].mean() / library.n_tokens)
    return (
        measured.found()
        | {"private_mib": private.extra_mib}
        | {"features": n_features, "tokens": n_tokens, "memory_budget": memory, "density": density}
    )


def tokens_of(folder: Path, n_tokens: int) -> Any:
    """Windows of random tokens, the r-th 1 / r as frequent as the first; the same for both programs."""
    import torch
    from safetensors.torch import load_file, save_file

    path = folder / f"tokens-{n_tokens}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        weights = 1 / torch.arange(1, MODEL["vocabulary"] + 1, dtype=torch.float64)
        draw = torch.Generator().manual_seed(0)
        n_windows = -(-n_tokens // (CONTEXT - 1))
        ids = torch.multinomial(weights, n_windows * CONTEXT, replacement=True, generator=draw)
        save_file({"tokens": ids.view(n_windows, CONTEXT)}, path)
    return load_file(path)["tokens"]


def peer(python: str, folder: Path, n_features: int, n_tokens: int) -> dict[str, float]:
    """SAEDashboard on the same, in its own environment."""
    tokens_of(folder, n_tokens)
    settings = {"model": MODEL, "layer": LAYER, "dictionary": DICTIONARY, "features": n_features, "density": DENSITY}
    script = Path(__file__).with_name("library_saedashboard.py")
    places = [str(folder / name) for name in (f"tokens-{n_tokens}.safetensors", "peer.json")]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    alone = inherited | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [python, str(script), *places, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, env=alone)
    if done.returncode:
        raise SystemExit(f"{script.name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=("store", "build", "budget"), default=["store", "build"])
    parser.add_argument("--features", type=int, default=1_000_000, help="of the library that is stored")
    parser.add_argument("--again", action="store_true", help="measure the library that the last run has stored")
    parser.add_argument("--built", type=int, default=256, help="features that both programs build")
    parser.add_argument("--tokens", type=int, default=204_800)
    parser.add_argument("--budgets", type=int, nargs="+", default=[2048, 64], help="megabytes, with --only budget")
    parser.add_argument("--peer", help="the Python of SAEDashboard's environment")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("build/library"), help="1.2 GB")
    asked = parser.parse_args()
    missed = []
    if "store" in asked.only:
        found = store(asked.folder / "store", asked.features, again=asked.again)
        print(json.dumps({"store": found}), flush=True)
        bars = {"opened": OPEN_MS, "label": LABEL_MS, "rare_label": LABEL_MS, "token": TOKEN_MS, "promotes": TOKEN_MS}
        missed += [f"{name} under {bar} ms" for name, bar in bars.items() if found[name]["median"] >= bar]
        missed += [f"{GB} GB"] if found["gb"] > GB else []
    if "build" in asked.only:
        ours = build(asked.folder, asked.built, asked.tokens, 2048)
        print(json.dumps({"gearscope": ours}), flush=True)
        if not asked.no_peer:
            python = asked.peer or environment(Path("build/saedashboard"), PINS, "SAEDashboard", WITHOUT)
            theirs = peer(python, asked.folder, asked.built, asked.tokens)
            faster = theirs["cpu_seconds"] / ours["cpu_seconds"]
            print(json.dumps({"SAEDashboard": theirs, "gearscope is faster by": faster}), flush=True)
            missed += [f"{FASTER} times faster"] if faster < FASTER else []
    if "budget" in asked.only:
        for memory in asked.budgets:
            found = build(asked.folder, asked.built, asked.tokens, memory)
            print(json.dumps({"gearscope": found}), flush=True)
    print(f"bars missed: {', '.join(missed) or 'none'}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
