"""`train` and `dictionary`: make dictionaries for a model, and measure a folder of them again."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gearscope.cli import options
from gearscope.cli.progress import training_lines
from gearscope.evaluation.report import DictionaryReport
from gearscope.recipes.config import RECIPES, open_recipe, parse_settings

_LIST = "; ".join(f"{name}: {recipe.about}" for name, recipe in RECIPES.items())


def train(
    recipe: Annotated[str, typer.Argument(help=f"A recipe or a .toml file. {_LIST}.")],
    model: options.Model = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus",
            help="Text to read: a .txt, .md, .jsonl or .parquet file, a folder of them, or `organism` for the bundled "
            "model's world.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The new folder of dictionaries.")] = Path("dictionaries"),
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, for instance tokens=100000 or k=16; can be repeated.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", help="Decides first weights and order of tokens.")] = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Train dictionaries (SAEs, transcoders, a cross-layer transcoder) for a model, measure and store them."""
    changes = parse_settings(settings or [])
    changes |= {name: value for name, value in {"model": model, "corpus": corpus}.items() if value is not None}
    if seed is not None:
        changes |= {"seed": seed, "shuffle_seed": seed}
    chosen = open_recipe(recipe).changed(changes)
    # Imported here so that --help never loads torch.
    from gearscope.recipes.train import Opening, train_recipe

    with training_lines() as progress:
        done = train_recipe(chosen, out, opening=Opening(device, dtype, revision), progress=progress, resume=resume)
    if as_json:
        typer.echo(json.dumps({"dictionaries": str(out), **done.report.model_dump(mode="json")}))
        return
    typer.echo(table(done.report))
    typer.echo(f"written to {out}; look through it with --basis {out}")


def dictionary(
    folder: Annotated[str, typer.Argument(help="A folder of dictionaries, ours or circuit-tracer's; or plt, clt.")],
    model: options.Model = None,
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="Held-out text is taken from here; `organism` for its own world.")
    ] = None,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Held-out tokens to measure on.")] = 65_536,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Measure a folder of dictionaries in its model: error, sparsity, dead features, agreement when all is replaced."""
    from gearscope.recipes.again import measure_again
    from gearscope.recipes.train import Opening

    report = measure_again(folder, model, corpus, tokens=tokens, opening=Opening(device, dtype, revision))
    typer.echo(json.dumps(report.model_dump(mode="json")) if as_json else table(report))


def table(report: DictionaryReport) -> str:
    """The figures as text, worst layer named."""
    lines = [f"{'writes':<18} {'NMSE':>8} {'shuffled':>9} {'L0':>6} {'dead':>7}"]
    for layer in report.layers:
        figures = f"{layer.nmse:8.2%} {layer.nmse_shuffled:9.0%} {layer.l0:6.1f} {layer.dead:7.2%}"
        lines.append(f"{layer.writes:<18} {figures}")
    plain, random = report.replaced, report.replaced_shuffled
    lines += [
        f"worst layer {report.worst.writes}: NMSE {report.worst.nmse:.2%} on {report.tokens:,} held-out tokens",
        f"all replaced at once: next token the same {plain.top1:.2%} (shuffled {random.top1:.2%}), "
        f"KL {plain.kl:.4f} nats (shuffled {random.kl:.2f}) on {report.replaced_tokens:,} tokens",
    ]
    return "\n".join(lines)
