"""Dictionaries on the HuggingFace hub, by name: downloaded to its cache, uploaded with a card.

    hub:owner/name              hub:owner/name/subfolder              hub:owner/name@revision
    hub:gemma                   an alias of a public set, with or without a subfolder

Only the files that a format needs are downloaded, at one commit. Without a network, what is in the cache is opened.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from gearscope.errors import ArtifactError, ConfigError

PREFIX = "hub:"
ALIASES = {
    "gemma": "mwhanna/gemma-scope-transcoders",
    "llama": "mntss/transcoder-Llama-3.2-1B",
    "gemma-clt-426k": "mntss/clt-gemma-2-2b-426k",
    "gemma-clt-2.5m": "mntss/clt-gemma-2-2b-2.5M",
    "gemma-skip": "mntss/skip-transcoders-gemma-2-2b",
    "llama-3-8b": "EleutherAI/sae-llama-3-8b-32x",
    **{f"gemma-scope-{name}": f"google/gemma-scope-2b-pt-{name}" for name in ("res", "mlp", "att", "transcoders")},
    **{f"gemma-scope-2-{size}": f"google/gemma-scope-2-{size}-pt" for size in ("270m", "1b", "4b", "12b", "27b")},
}
"""Public sets by short names; the first two are circuit-tracer's own."""
_NOT_NEEDED = ("*examples.safetensors", "*sparsity.safetensors", "features/*", "*/features/*", "*/checkpoints/*")
_MOST_FOLDERS = 200
_NETWORK = (HTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError, ValueError)
"""What the client raises; `HTTPError` is that of the library it speaks through, whichever its version uses."""


class Hub(NamedTuple):
    """Which hub, and where its files are kept: as the environment says, unless a test gives its own."""

    endpoint: str | None = None
    cache: Path | None = None

    @property
    def api(self) -> HfApi:
        """The client of this hub."""
        return HfApi(endpoint=self.endpoint)

    def file(self, repository: str, name: str, revision: str | None) -> Path:
        """The local copy of one file."""
        return Path(hf_hub_download(repository, name, revision=revision, endpoint=self.endpoint, cache_dir=self.cache))


PUBLIC = Hub()


class Place(NamedTuple):
    """A folder in a repository."""

    repository: str
    folder: str
    revision: str | None


def parse(name: str) -> Place:
    """Read `owner/name[/subfolder][@revision]`, or an alias in the place of owner/name. Raises ConfigError."""
    path, _, revision = name.removeprefix(PREFIX).partition("@")
    first, _, rest = path.strip("/").partition("/")
    whole = f"{ALIASES[first]}/{rest}" if first in ALIASES else path
    parts = [part for part in whole.split("/") if part]
    if len(parts) < 2 or any(not re.fullmatch(r"[\w.+=-]+", part) or part in (".", "..") for part in parts):
        hint = f"or an alias: {', '.join(ALIASES)}"
        raise ConfigError("a name on the hub is written hub:OWNER/NAME[/SUBFOLDER][@REVISION]", found=name, hint=hint)
    return Place("/".join(parts[:2]), "/".join(parts[2:]), revision or None)


def fetch(name: str, needs: Sequence[str], hub: Hub = PUBLIC) -> Path:
    """The local folder of a name on the hub, with the files that match one of the patterns. Raises ArtifactError."""
    place = parse(name)
    try:
        return _download(place, needs, hub)
    except _NETWORK as error:
        cached = None if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError) else _cached(place, hub)
        if cached is None:
            raise _refused(place, error) from error
        return cached


def _download(place: Place, needs: Sequence[str], hub: Hub) -> Path:
    told = hub.api.model_info(place.repository, revision=place.revision)
    inside = f"{place.folder}/" if place.folder else ""
    above = f"{place.folder.rpartition('/')[0]}/config.json".lstrip("/")  # sparsify names the model one folder up
    names = [file.rfilename for file in told.siblings or ()]
    here = [name for name in names if name.startswith(inside)]
    wanted = [name for name in here if _is_needed(name.removeprefix(inside), needs)]
    expected = (
        f"a folder of dictionaries was expected in {place.repository}{'/' * bool(inside)}{place.folder} on the hub"
    )
    if not wanted:
        raise ArtifactError(expected, found=f"no file of any format among {len(here)}")
    folders = {name.rpartition("/")[0] for name in wanted}
    if len(folders) > _MOST_FOLDERS:
        some = ", ".join(sorted(folders)[:2])
        raise ArtifactError(expected, found=f"{len(folders)} folders", hint=f"name one or some of them, as in {some}")
    if inside and above in names:
        wanted.append(above)
    hub.file(place.repository, wanted[0], place.revision)  # notes the branch's commit, for when there is no network
    paths = [hub.file(place.repository, name, told.sha) for name in wanted]
    return paths[0].parents[wanted[0].count("/")] / place.folder


def _is_needed(name: str, needs: Sequence[str]) -> bool:
    return any(fnmatch(name, p) for p in needs) and not any(fnmatch(name, p) for p in _NOT_NEEDED)


def _cached(place: Place, hub: Hub) -> Path | None:
    """What an earlier download left, if anything."""
    try:
        root = Path(
            snapshot_download(place.repository, revision=place.revision, cache_dir=hub.cache, local_files_only=True)
        )
    except _NETWORK:
        return None
    folder = root / place.folder
    return folder if folder.is_dir() and any(folder.iterdir()) else None


def fetch_file(address: str, hub: Hub = PUBLIC) -> Path:
    """The local copy of `hf://owner/name/path[?revision=x]`. Raises ArtifactError, ConfigError."""
    told = urlsplit(address)
    place = parse(f"{told.netloc}{told.path}")
    revision = parse_qs(told.query).get("revision", [place.revision])[0]
    place = place._replace(revision=revision)
    if told.scheme != "hf" or not place.folder:
        raise ConfigError("a file on the hub is written hf://OWNER/NAME/PATH", found=address)
    try:
        return hub.file(place.repository, place.folder, revision)
    except _NETWORK as error:
        raise _refused(place, error) from error


def upload(folder: Path, name: str, card: str, hub: Hub = PUBLIC) -> str:
    """Put a folder's files and a card into a repository, in one commit; returns its address.

    The repository is made when it is not there. Raises ArtifactError, ConfigError.
    """
    place = parse(name)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "README.md")
    inside = f"{place.folder}/" if place.folder else ""
    adding = [CommitOperationAdd(f"{inside}{path.relative_to(folder).as_posix()}", path) for path in files]
    adding.append(CommitOperationAdd(f"{inside}README.md", card.encode()))
    try:
        api = hub.api
        api.create_repo(place.repository, exist_ok=True)
        done = api.create_commit(
            place.repository, adding, commit_message="Dictionaries of gearscope", revision=place.revision
        )
    except (*_NETWORK, LocalTokenNotFoundError) as error:
        raise _refused(place, error) from error
    return str(done.repo_url) if done.repo_url else place.repository


def _refused(place: Place, error: Exception) -> ArtifactError:
    """The one sentence for a name that gave nothing."""
    expected = f"{place.repository} was expected on the HuggingFace hub or in its local cache"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError):
        hint = "accept it on the hub and log in with `hf auth login`"
        return ArtifactError(expected, found="one behind a licence", hint=hint)
    if isinstance(error, LocalTokenNotFoundError) or status in (401, 403):
        return ArtifactError(expected, found="no right to use it", hint="log in with `hf auth login`")
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return ArtifactError(expected, found="no such repository")
    if isinstance(error, RevisionNotFoundError):
        return ArtifactError(expected, found=f"no revision {place.revision!r} of it")
    if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        return ArtifactError(expected, found=f"no {place.folder} in it")
    hint = "the hub cannot be reached: go online, or give a local folder"
    return ArtifactError(expected, found="neither", hint=hint)
