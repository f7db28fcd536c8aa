"""The page of dictionaries on the hub, from what their folder says of itself."""

from pathlib import Path

from gearscope.artifact import MANIFEST, read_manifest
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.formats.format import Format
from gearscope.dictionaries.formats.own import KIND

_KINDS = {
    "sae": "Sparse autoencoders",
    "plt": "Transcoders",
    "clt": "A cross-layer transcoder",
    "crosscoder": "Crosscoders",
}


def card(folder: Path, dictionaries: DictionarySet, form: Format, name: str) -> str:
    """The card in Markdown: which model, which sites, how large, how sparse, how to open them."""
    model = dictionaries.model
    head = ["---", "library_name: gearscope", "tags:", "- sparse-coding", f"- {dictionaries.kind}"]
    head += [f"base_model: {model}"] if model.count("/") == 1 else []
    of = f" of `{model}`" if model else ""
    lines = [*head, "---", "", f"# {_KINDS[dictionaries.kind]}{of}", ""]
    lines += ["| reads | writes | features | activation | active per token |", "|---|---|---|---|---|"]
    for one in dictionaries.dictionaries:
        config = one.config
        active = "not measured" if one.density is None else f"{float(one.density.sum()):.1f}"
        activation = config.activation + (f", k = {config.k}" if config.k else "")
        skip = " and a skip" if one.W_skip is not None else ""
        sites = f"{_few(config.reads)} | {_few(config.writes)}{skip}"
        lines.append(f"| {sites} | {config.n_features:,} | {activation} | {active} |")
    lines += ["", *_made(folder), f"The files are in the format {form.name}. To open them:", ""]
    opened = name.removeprefix("hub:")
    lines += ["```", f'gearscope trace "a prompt" --model {model or "MODEL"} --basis hub:{opened}', "```"]
    return "\n".join(lines) + "\n"


def _few(sites: tuple[str, ...]) -> str:
    return ", ".join(f"`{site}`" for site in sites) if len(sites) < 4 else f"`{sites[0]}` to `{sites[-1]}`"


def _made(folder: Path) -> list[str]:
    """How they were made, as far as a manifest says it."""
    if not (folder / MANIFEST).is_file():
        return []
    told = read_manifest(folder, KIND)
    packages = ", ".join(f"{name} {version}" for name, version in sorted(told.get("packages", {}).items()))
    lines = [f"Made on {str(told.get('created'))[:10]} with {packages}."]
    report = told["config"].get("measured")
    if isinstance(report, dict) and isinstance(report.get("replaced"), dict):
        same, tokens = report["replaced"].get("top1"), report.get("tokens")
        if isinstance(same, float) and isinstance(tokens, int):
            lines.append(f"With everything replaced at once, the likeliest next token is the same on {same:.1%} of")
            lines.append(f"held-out text ({tokens:,} tokens measured).")
    return [*lines, ""]
