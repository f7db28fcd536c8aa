"""`library`: build a feature library, show and find features, keep lists; `features`: what fires on a prompt."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gearscope.cli import foreign, options
from gearscope.cli.progress import counting_line
from gearscope.cli.train import Settings
from gearscope.errors import ConfigError
from gearscope.features import lists
from gearscope.features.config import LibraryConfig
from gearscope.features.describe import as_json as record_json
from gearscope.features.describe import describe
from gearscope.features.find import Hit, Query, Sort, find
from gearscope.features.plan import WorkConfig
from gearscope.features.records import FeatureList, Listed
from gearscope.features.store import Library
from gearscope.ids import FeatureId
from gearscope.recipes.config import parse_settings

if TYPE_CHECKING:
    from gearscope.features.prompt import Fires

app = typer.Typer(no_args_is_help=True, help="What every feature of a model does on a corpus: built, shown, searched.")
Dictionary = Annotated[
    str,
    typer.Option(
        "--dictionary",
        help="A folder of dictionaries in any known format, hub:OWNER/NAME, plt, clt, or neurons.",
    ),
]
Corpus = Annotated[
    str | None,
    typer.Option(
        "--corpus",
        help="Text to read: a .txt, .md, .jsonl or .parquet file, a folder of them, hub:OWNER/NAME[:CONFIG] "
        "(streamed), or `organism` for the bundled model's world.",
    ),
]
FeatureName = Annotated[str, typer.Argument(help="A feature, LAYER/INDEX.")]


@app.command()
def build(
    out: Annotated[Path, typer.Option("--out", help="The new folder.")],
    model: options.Model = None,
    dictionary: Dictionary = "plt",
    corpus: Corpus = None,
    split: Annotated[
        Literal["train", "held_out"], typer.Option("--split", help="Which texts: those to train on, or the others.")
    ] = "train",
    settings: Settings = None,
    shards: Annotated[
        int | None, typer.Option("--shards", min=1, help="Stretches of text that are worked on one by one.")
    ] = None,
    memory: Annotated[
        int, typer.Option("--memory", min=16, help="Megabytes for counts and examples while it is built.")
    ] = 2048,
    ray: Annotated[
        str | None,
        typer.Option("--ray", help="Share the shards on Ray: `local` for this machine, or a cluster's address."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a build that was interrupted.")] = False,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Look every feature up over a corpus in one pass: examples, statistics, tokens, neighbours, co-firing, a map."""
    # Imported here so that --help never loads torch.
    from gearscope.features.cluster import here, on_ray
    from gearscope.recipes.library import build_named
    from gearscope.recipes.train import Opening

    config = LibraryConfig().changed(parse_settings(settings or []))
    run = here if ray is None else on_ray(None if ray == "local" else ray)
    with counting_line("library") as progress:
        build_named(
            out,
            model=model,
            dictionary=dictionary,
            corpus=corpus,
            config=config,
            work=WorkConfig.of(shards=shards, memory_megabytes=memory),
            split=split,
            opening=Opening(device, dtype, revision),
            run=run,
            progress=progress,
            resume=resume,
        )
    with Library.open(out) as library:
        dead = int((library.columns["fired"] == 0).sum())
        told = {"library": str(out), "features": library.n_features, "dead": dead, "tokens": library.n_tokens}
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{told['features']:,} features on {told['tokens']:,} tokens, {dead:,} of them dead; written to {out}")


@app.command()
def show(
    folder: options.Library,
    feature: FeatureName,
    examples: Annotated[int, typer.Option("--examples", min=0, help="Examples of each kind.")] = 8,
    as_json: options.Json = False,
) -> None:
    """Print a feature: labels, examples with the token marked, histogram, tokens, neighbours, what fires with it."""
    with Library.open(folder) as library:
        record = library.record(library.number(FeatureId.parse(feature)))
        told = record_json(library, record) if as_json else None
        typer.echo(describe(library, record, examples=examples) if told is None else json.dumps(told))


@app.command()
def search(
    folder: options.Library,
    label: Annotated[str | None, typer.Argument(help="Words of a label, or words like them.")] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            "--rule",
            help="Words of labels that are executable rules, or COLUMN=VALUE that one asks for, as recent=capital.",
        ),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Words that stand in the text of an example.")] = None,
    token: Annotated[str | None, typer.Option("--token", help="A token on which it fires.")] = None,
    promotes: Annotated[str | None, typer.Option("--promotes", help="A token that it promotes.")] = None,
    suppresses: Annotated[str | None, typer.Option("--suppresses", help="A token that it suppresses.")] = None,
    near: Annotated[str | None, typer.Option("--near", help="Features that write like this one, LAYER/INDEX.")] = None,
    direction: Annotated[
        Path | None,
        typer.Option("--direction", help="Features that write along this: safetensors with a vector `direction`."),
    ] = None,
    fires_in: Annotated[
        str | None, typer.Option("--fires-in", help="Fires more often in this text (or text file) than in --not-in.")
    ] = None,
    not_in: Annotated[str | None, typer.Option("--not-in", help="The other text, or text file.")] = None,
    layer: Annotated[list[int] | None, typer.Option("--layer", help="Of this layer; can be repeated.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="sae, plt, clt, crosscoder or neurons; can be repeated.")
    ] = None,
    min_density: Annotated[float | None, typer.Option("--min-density", help="Share of tokens, at least.")] = None,
    max_density: Annotated[float | None, typer.Option("--max-density", help="Share of tokens, at most.")] = None,
    min_score: Annotated[float | None, typer.Option("--min-score", help="Of its label, at least.")] = None,
    min_input_score: Annotated[
        float | None, typer.Option("--min-input-score", help="How far the token alone decides, at least.")
    ] = None,
    min_output_lift: Annotated[
        float | None,
        typer.Option("--min-output-lift", help="How much oftener a promoted token follows when it fires, at least."),
    ] = None,
    dead: Annotated[bool | None, typer.Option("--dead/--alive", help="Only features that never fire, or do.")] = None,
    sort: Annotated[Sort, typer.Option("--sort", help="By how well it matches, or by a column.")] = "match",
    most: Annotated[int, typer.Option("--most", min=1, help="How many are shown.")] = 20,
    as_json: options.Json = False,
) -> None:
    """Find features; everything that is asked for has to hold."""
    if (fires_in is None) != (not_in is None):
        raise ConfigError("--fires-in TEXT and --not-in TEXT go together", found="one of them", hint="give both")
    query = Query.of(
        label=label, rule=rule, text=text, token=token, promotes=promotes, suppresses=suppresses, near=near,
        layers=tuple(layer or ()), kinds=tuple(kind or ()), min_density=min_density, max_density=max_density,
        min_score=min_score, min_input_score=min_input_score, min_output_lift=min_output_lift, dead=dead, sort=sort,
        most=most,
    )  # fmt: skip
    with Library.open(folder) as library:
        hits = find(library, query, _computed(library, direction, fires_in, not_in))
    if as_json:
        typer.echo(json.dumps([hit._asdict() | {"feature": str(hit.feature)} for hit in hits]))
        return
    typer.echo("\n".join(map(_line, hits)) if hits else "no feature")


def _computed(library: Library, direction: Path | None, fires_in: str | None, not_in: str | None) -> dict[str, Any]:
    """Criteria that need torch: it is loaded only when they are asked for."""
    found: dict[str, Any] = {}
    if direction is not None:
        from gearscope.attribution.probe import read_probe
        from gearscope.features.find import by_direction

        vector, _ = read_probe(direction)
        found["direction"] = by_direction(library, vector.float().numpy())
    if fires_in is not None and not_in is not None:
        from gearscope.recipes.library import contrasted

        found["contrast"] = contrasted(library, fires_in, not_in)
    return found


def _line(hit: Hit) -> str:
    density = "        -" if hit.density is None else f"{hit.density:9.4%}"
    return f"{hit.feature!s:>10} {hit.score:10.4g}  {density}  {hit.label or ''}"


@app.command("list")
def list_features(
    folder: options.Library,
    name: Annotated[str | None, typer.Argument(help="A list; all their names without one.")] = None,
    add: Annotated[
        list[str] | None, typer.Option("--add", help="A feature, LAYER/INDEX or LAYER/INDEX=NOTE; can be repeated.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the list.")] = False,
    to_file: Annotated[Path | None, typer.Option("--export", help="Write the list into this file.")] = None,
    from_file: Annotated[Path | None, typer.Option("--import", help="Take the list in this file.")] = None,
    as_json: options.Json = False,
) -> None:
    """Show, fill, export, import or remove a list of features with notes."""
    with Library.open(folder) as library:
        if from_file is not None:
            name = lists.import_list(library, from_file).name
        if name is None:
            names = lists.list_names(library)
            typer.echo(json.dumps(names) if as_json else "\n".join(names) or "no list")
            return
        if remove:
            lists.remove_list(library, name)
            typer.echo(json.dumps({"removed": name}) if as_json else f"removed {name}")
            return
        if add:
            lists.add_to_list(library, name, [_listed(one) for one in add])
        if to_file is not None:
            lists.export_list(library, name, to_file)
        found = lists.read_list(library, name)
        typer.echo(json.dumps(_list_json(found)) if as_json else _list_text(library, found))


def _listed(text: str) -> Listed:
    name, _, note = text.partition("=")
    return Listed(FeatureId.parse(name), note)


def _list_json(found: FeatureList) -> dict[str, Any]:
    return found._asdict() | {"features": [{"feature": str(one.feature), "note": one.note} for one in found.features]}


def _list_text(library: Library, found: FeatureList) -> str:
    labels = library.notes.shown([library.number(one.feature) for one in found.features])
    lines = [f"{found.name}: {len(found.features)} features{'; ' + found.notes if found.notes else ''}"]
    for one in found.features:
        label = labels.get(library.number(one.feature))
        lines.append(f"{one.feature!s:>10}  {one.note:<30}  {'' if label is None else label.text}".rstrip())
    return "\n".join(lines)


app.command("import")(foreign.take)
app.command("export")(foreign.export)


def features(
    prompt: Annotated[str, typer.Argument(help="The prompt.")],
    model: options.Model = None,
    dictionary: Dictionary = "plt",
    library: Annotated[
        Path | None, typer.Option("--library", help="A library: its model and dictionaries, with their labels.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Features for each token, the strongest.")] = 8,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Print what fires on a prompt, token by token; with a library, what each feature means."""
    from gearscope.recipes.library import fires_on, open_subject, subject_of
    from gearscope.recipes.train import Opening

    opening, labels = Opening(device, dtype, revision), {}
    if library is None:
        tokens, fired = fires_on(open_subject(model, dictionary, opening)[0], prompt)
    else:
        with Library.open(library) as opened:
            tokens, fired = fires_on(subject_of(opened, opening), prompt)
            labels = {n: label.text for n, label in opened.notes.shown(sorted({f.number for f in fired})).items()}
    by_position = [[one for one in fired if one.position == at][:most] for at in range(len(tokens.shown))]
    if as_json:
        typer.echo(json.dumps([_token_json(*pair, labels) for pair in zip(tokens.shown, by_position, strict=True)]))
        return
    for position, (text, here) in enumerate(zip(tokens.shown, by_position, strict=True)):
        typer.echo(f"{position}:{text.strip()}")
        for one in here:
            typer.echo(f"  {one.feature!s:>10} {one.activation:8.3g}  {labels.get(one.number, '')}".rstrip())


def _token_json(text: str, fired: "list[Fires]", labels: dict[int, str]) -> dict[str, Any]:
    rows = [
        {"feature": str(one.feature), "activation": one.activation, "label": labels.get(one.number)} for one in fired
    ]
    return {"token": text, "features": rows}
