"""The bundle that ships: a trained organism, its dictionaries, and the tables of other seeds, under one lock. No torch.

    assemble(trained, out, dictionaries={"plt": Path("plt")}, seeds=[other], sealed=2, replace=True)

Everything is checked before anything is written: every file of the trained bundle, that the dictionaries were made for
its model, that each seed is another one. `out` is then written whole, or left as it was.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from gearscope.artifact import new_folder, verify, write_text
from gearscope.errors import ArtifactError, ConfigError
from gearscope.features.archive import pack
from gearscope.features.layout import KIND as LIBRARY_KIND
from gearscope.lock import LOCK, Lock, verify_lock, write_lock
from gearscope.organism.bundle import LIBRARY
from gearscope.organism.seeds import FOLDER, SeedTable, read_seed, seed_json, seed_of, table_of_bundle

DICTIONARY = "dictionary"


def assemble(
    trained: Path,
    out: Path,
    *,
    dictionaries: Mapping[str, Path] | None = None,
    library: Path | None = None,
    seeds: Sequence[Path] = (),
    sealed: int | None = None,
    replace: bool = False,
) -> Lock:
    """Write `out` from a trained bundle and return its lock.

    `dictionaries` go in under their names, in place of what the bundle has; `library`, a feature library of the model,
    as an archive. `seeds` are bundles of other seeds, or
    stored tables of them; `sealed` is the number of the one that was sealed. With `replace`, an earlier `out` goes.
    Raises ArtifactError and ConfigError, and `out` is then as it was before.
    """
    lock = verify_lock(trained)
    new = dict(dictionaries or {})
    for folder in new.values():
        _check_made_for(folder, verify(folder, DICTIONARY)["inputs"].get("model"), lock.model)
    if library is not None:
        _check_made_for(library, verify(library, LIBRARY_KIND)["inputs"].get("model"), lock.model)
    tables = other_seeds(seeds, sealed, own=seed_of(trained))
    with new_folder(out, replace=replace) as scratch:
        for name in lock.parts:
            if name not in new and not name.startswith(f"{FOLDER}/") and (name != LIBRARY or library is None):
                shutil.copytree(trained / name, scratch / name)
        for name, folder in new.items():
            shutil.copytree(folder, scratch / name)
        if library is not None:
            pack(library, scratch / LIBRARY)
        for table in tables:
            write_text(scratch / FOLDER / f"{table.seed}.json", seed_json(table, lock.model))
        write_lock(scratch, lock.model)
    assert (out / LOCK).is_file(), "a folder that was written is there"
    return verify_lock(out)


def _check_made_for(folder: Path, made_for: str | None, model: str) -> None:
    if made_for != model:
        found = f"one made for {made_for}"
        raise ArtifactError(f"{folder} should be made for the model {model}", found=found, hint="make it again for it")


def other_seeds(paths: Sequence[Path], sealed: int | None, *, own: int) -> list[SeedTable]:
    """The tables of other seeds, by their number. Raises ConfigError when one comes twice, or is the bundle's own."""
    tables: dict[int, SeedTable] = {}
    for path in paths:
        table = table_of_bundle(path, sealed=False) if path.is_dir() else read_seed(path)
        if table.seed == own or table.seed in tables:
            found = f"seed {table.seed} at {path}, which is there already"
            raise ConfigError("other seeds were expected, each once", found=found)
        tables[table.seed] = table._replace(sealed=table.sealed or table.seed == sealed)
    if sealed is not None and sealed not in tables:
        found = f"seed {sealed}, of {sorted(tables)}"
        raise ConfigError("the sealed seed should be one of the other seeds", found=found)
    return [tables[seed] for seed in sorted(tables)]
