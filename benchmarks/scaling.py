"""Time and memory against the length of the prompt: `python benchmarks/scaling.py [FOLDER] [--case NAME ...]`

Random models and random transcoders, 50 features active per token and layer, random tokens, on one thread. Each prompt
is traced in a process of its own, expanded to 80 % of the influence; what is measured stands in FOLDER/scaling.json at
once, so that a run that was killed goes on. Beside the table a picture and the fitted exponents.

    small    Llama, 4 layers, d = 128, 4,096 features a layer      up to 2,000 tokens
    gpt2     GPT-2, 12 layers, d = 768, 16,384 features a layer    up to 512 tokens

`CPU s` is from the tokens to the pruned graph, everything loaded before; `peak` the highest resident memory of the
whole process: model, dictionaries (mapped pages of files included) and libraries with it, `of it loaded` what stood
there before the prompt. Attention of random models is spread evenly, so influence is spread over far more features than
in trained ones: this is the hard case. Prompts with up to 40,000 active features are traced once more with every
feature and every entry: the printed intervals must contain those scores. Exit code 1 where one does not, or where a bar
is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from measure import resident
from random_circuits import Size, calibrated, random_dictionaries, random_model

from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.targets import salient_logits
from gearscope.dictionaries.store import read_dictionaries, write_as
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.prune import prune
from gearscope.graph.scores import Forms
from gearscope.models.load import open_model
from gearscope.replacement.coded import coded_replacement
from gearscope.replacement.replacement import Replacement

ACTIVE, COVERAGE, POSITIONS, WHOLE_UP_TO = 50, 0.8, 4096, 40_000
MINUTES_BAR, CORES, MEMORY_BAR = 20, 2, 8192
"""Minutes of so many cores, which rows keep busy (docs/scaling.md), and MiB."""
DOCS = Path(__file__).parent.parent / "docs"


class Case(NamedTuple):
    """One model, and the lengths of its prompts."""

    family: str
    size: Size
    features: int
    tokens: tuple[int, ...]


CASES = {
    "small": Case(
        "llama",
        Size(layers=4, width=128, heads=4, key_value_heads=4, mlp=512, vocabulary=1000),
        4096,
        (64, 128, 256, 512, 1000, 2000),
    ),
    "gpt2": Case(
        "gpt2",
        Size(layers=12, width=768, heads=12, key_value_heads=12, mlp=3072, vocabulary=50257),
        16384,
        (32, 64, 128, 256, 512),
    ),
}


def made(name: str, folder: Path) -> tuple[Path, Path]:
    """The folders of a case's model and dictionaries, made at the first use."""
    case, model, coder = CASES[name], folder / name, folder / f"{name}-{ACTIVE}"
    if not model.exists():
        random_model(case.family, model, case.size, positions=POSITIONS)
    if not coder.exists():
        write_as(coder, calibrated(random_dictionaries(case.size, case.features), model, ACTIVE), "circuit-tracer")
    return model, coder


def measured(name: str, tokens: int, folder: Path) -> dict[str, Any]:
    """One prompt in this process."""
    model, coder = made(name, folder)
    opened, dictionaries = open_model(model), read_dictionaries(coder)
    draw = torch.Generator().manual_seed(tokens)
    ids = torch.randint(1, CASES[name].size.vocabulary, (tokens,), generator=draw)
    ids[0] = 0
    loaded, begin, cpu = resident("VmHWM"), time.perf_counter(), time.process_time()
    with torch.inference_mode():
        prompt = opened.record(ids)
        replacement = coded_replacement(prompt, dictionaries)
        targets = salient_logits(prompt, position=-1, probability=0.95, most=10)

        def trace(replacement: Replacement, **settings: float) -> AttributionGraph:
            config, names = AttributionConfig.of(**settings), [str(i) for i in ids.tolist()]
            return attribute(prompt, replacement, targets, config, tokens=names, text="", model=name, basis="plt")

        graph = trace(replacement, coverage=COVERAGE)
        pruned = prune(graph)
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
        found = {
            "active": len(replacement.active),
            "expanded": graph.details["expanded_features"],
            "entries": graph.adjacency.nnz,
            "unstored": graph.details.get("unstored", 0.0),
            "worst_row_error": float(np.nanmax(graph.row_error())),
            "kept_features": pruned.layout.features.stop,
            "cpu_seconds": cpu,
            "seconds": seconds,
            "loaded_mib": loaded,
            "peak_mib": resident("VmHWM"),
            **scores(graph),
        }
        if len(replacement.active) <= WHOLE_UP_TO:
            found["whole"] = scores(trace(replacement, coverage=1.0, tolerance=0.0))
    return found


def scores(graph: AttributionGraph) -> dict[str, Any]:
    """Replacement and completeness, every form as [low, high]."""
    assert graph.scores is not None
    forms = {name: getattr(graph.scores, name)._asdict() for name in ("replacement", "completeness")}
    return {"unexpanded": graph.scores.unexpanded} | {
        name: {form: list(interval) for form, interval in values.items()} for name, values in forms.items()
    }


def contained(line: dict[str, Any]) -> bool:
    """Whether every interval contains the score of the whole graph."""
    places = [(name, form) for name in ("replacement", "completeness") for form in Forms._fields]
    return all(
        line[name][form][0] - 1e-6 <= line["whole"][name][form][0] <= line[name][form][1] + 1e-6
        for name, form in places
    )


def exponent(lines: Sequence[dict[str, Any]], of: str) -> float:
    """The slope of log cost over log length, of the longer half of the prompts."""
    longer = lines[len(lines) // 2 - 1 :]
    x, y = ([float(line[name]) for line in longer] for name in ("tokens", of))
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def run_all(cases: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """What is not measured yet, each in a process of its own; all lines of these cases."""
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "scaling.json"
    lines: list[dict[str, Any]] = json.loads(store.read_text(encoding="utf-8")) if store.exists() else []
    for name in cases:
        made(name, folder)
        for tokens in CASES[name].tokens:
            if not any((line["case"], line["tokens"]) == (name, tokens) for line in lines):
                command = [sys.executable, __file__, str(folder), "--one", name, str(tokens)]
                done = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
                )
                lines.append({"case": name, "tokens": tokens} | json.loads(done.stdout.splitlines()[-1]))
                store.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
                print(f"{name}, {tokens} tokens: {lines[-1]['cpu_seconds']:.1f} CPU s", file=sys.stderr, flush=True)
    return sorted((line for line in lines if line["case"] in cases), key=lambda line: (line["case"], line["tokens"]))


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Markdown, one row per prompt."""
    head = ("case", "tokens", "active features", "with a row", "not followed", "entries (M)", "not stored", "CPU s")
    head += ("peak MiB", "of it loaded", "replacement score", "whole")
    shown = [head, ("---",) * len(head)]
    for line in lines:
        low, high = line["replacement"]["as_published"]
        whole = f"{line['whole']['replacement']['as_published'][0]:.3f}" if "whole" in line else ""
        cells = (line["case"], f"{line['tokens']:,}", f"{line['active']:,}", f"{line['expanded']:,}")
        cells += (f"{line['unexpanded']:.1%}", f"{line['entries'] / 1e6:.1f}", f"{line['unstored']:.1%}")
        cells += (f"{line['cpu_seconds']:.1f}", f"{line['peak_mib']:,.0f}", f"{line['loaded_mib']:,.0f}")
        shown.append((*cells, f"{low:.3f} to {high:.3f}", whole))
    return "\n".join("| " + " | ".join(row) + " |" for row in shown)


def draw(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """CPU seconds and memory against tokens, both axes logarithmic."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    ink, panels = "#7d7d7d", {"cpu_seconds": "CPU seconds, one thread", "peak_mib": "peak memory, MiB"}
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "gearscope", "font.size": 9}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        for axes, (what, label) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            for name, colour, mark in (("small", "#e69f00", "o"), ("gpt2", "#3d9bd9", "s")):
                here = [line for line in lines if line["case"] == name]
                x, y = ([line[key] for line in here] for key in ("tokens", what))
                said = f"{name}, exponent {exponent(here, what):.2f}" if len(here) > 2 else name
                axes.plot(x, y, color=colour, marker=mark, label=said)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set(xlabel="tokens", ylabel=label)
            axes.grid(color=ink, alpha=0.25)
            axes.tick_params(which="both", colors=ink)
            axes.xaxis.set_major_formatter("{x:g}")
            for text in (axes.xaxis.label, axes.yaxis.label):
                text.set_color(ink)
            for spine in axes.spines.values():
                spine.set_color(ink)
            axes.legend(frameon=False, labelcolor=ink)
        figure.savefig(path, transparent=True, metadata={"Date": None})


def main(arguments: Sequence[str]) -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description="attribution against the length of the prompt")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/scaling"), help="models and figures; 3 GB")
    parser.add_argument("--case", action="append", choices=list(CASES), help="again for more; default: all")
    parser.add_argument("--one", nargs=2, metavar=("CASE", "TOKENS"), help="one prompt, as JSON, in this process")
    parser.add_argument("--picture", type=Path, default=DOCS / "scaling.svg")
    chosen = parser.parse_args(arguments)
    if chosen.one:
        print(json.dumps(measured(chosen.one[0], int(chosen.one[1]), chosen.folder)))
        return
    lines = run_all(chosen.case or list(CASES), chosen.folder)
    print(table(lines))
    for name in chosen.case or CASES:
        here = [line for line in lines if line["case"] == name]
        print(f"\n{name}: CPU seconds grow with exponent {exponent(here, 'cpu_seconds'):.2f}", end=", ")
        print(f"rows {exponent(here, 'expanded'):.2f}, memory {exponent(here, 'peak_mib'):.2f}")
    draw(lines, chosen.picture)
    outside = [line for line in lines if "whole" in line and not contained(line)]
    slow = [x for x in lines if x["cpu_seconds"] > 60 * MINUTES_BAR * CORES or x["peak_mib"] > MEMORY_BAR]
    for line in outside + slow:
        print(f"missed: {line['case']}, {line['tokens']} tokens", file=sys.stderr)
    sys.exit(bool(outside or slow))


if __name__ == "__main__":
    main(sys.argv[1:])
