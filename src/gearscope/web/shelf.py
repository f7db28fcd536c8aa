"""The graphs of a served folder or file, by opaque ids: the only file of the room that touches the disk. No torch.

An id is a fingerprint of a path that was listed; it is looked up, never joined into a path, so an id that nobody
listed leads nowhere. Files are opened once and kept while their time and size stay the same.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from gearscope.errors import ArtifactError, GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.notes import Notes
from gearscope.graph.store import read_graph, write_graph, write_notes
from gearscope.graph.text import printable
from gearscope.web import schemas
from gearscope.web.config import MEBIBYTE, Limits
from gearscope.web.views import card

INDEX_FILES = ("graph-metadata.json",)
"""Lists of graphs that other programs keep beside them."""
_KEPT = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A graph of the shelf, as it lay on the disk at `modified`."""

    graph: AttributionGraph
    card: schemas.Card
    path: Path
    modified: float
    size: int


class Shelf:
    """Graph files of one folder, or one file. Raises ArtifactError when there is neither."""

    def __init__(self, source: Path, limits: Limits, *, keep_in: Path | None = None) -> None:
        if not source.exists():
            raise ArtifactError(f"a folder of graphs or a graph file was expected at {source}", found="nothing there")
        self._folder = source if source.is_dir() else None
        self._files = [] if source.is_dir() else [source.resolve()]
        self._keep_in = self._folder if self._folder is not None else keep_in
        self._limits = limits
        self._known: dict[str, Path] = {}
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._cards: dict[str, tuple[float, int, schemas.Card]] = {}
        self._lock = threading.Lock()
        self.place = str(source)
        if self._folder is None:
            self.open(self._id(self._files[0]))

    def listed(self) -> schemas.Shelf:
        """Every graph, the newest first, and every file that is none with its reason."""
        paths = self._paths()
        cards, bad = [], []
        for path in paths[: self._limits.files]:
            try:
                cards.append(self._card(path))
            except (GraphError, ArtifactError) as error:
                bad.append(schemas.BadFile(name=printable(path.name), error=printable(str(error))))
        cards.sort(key=lambda found: -found.modified)
        left_out = max(0, len(paths) - self._limits.files)
        return schemas.Shelf(place=printable(self.place), graphs=cards, unreadable=bad, left_out=left_out)

    def open(self, id: str) -> Opened:
        """The graph with this id. Raises GraphError when nothing was listed under it, or it can no longer be read."""
        if not re.fullmatch(r"[0-9a-f]{16}", id):
            raise GraphError("the id of a listed graph was expected", found=repr(id[:40]))
        if id not in self._known:
            self._paths()
        path = self._known.get(id)
        if path is None:
            raise GraphError("the id of a listed graph was expected", found=f"{id}, which is not on the shelf")
        modified, size = self._stamp(path)
        with self._lock:
            found = self._opened.get(id)
            if found is None or (found.modified, found.size) != (modified, size):
                found = self._read(id, path, modified, size)
                self._opened[id] = found
            self._opened.move_to_end(id)
            while len(self._opened) > _KEPT:
                self._opened.popitem(last=False)
        return found

    def annotate(self, id: str, notes: Notes, *, modified: float) -> Opened:
        """Put notes into a graph's file and open it again. Raises GraphError when the file changed since `modified`."""
        found = self.open(id)
        if found.modified != modified:
            raise GraphError("the graph as it was opened was expected", found="a changed file", hint="load it again")
        write_notes(found.path, notes)
        return self.open(id)

    def add(self, graph: AttributionGraph, name: str) -> Opened:
        """Keep a new graph under a name of its own. Raises ArtifactError when it cannot be written."""
        folder = self._keep_in
        if folder is None:
            raise ArtifactError("a folder to keep graphs in was expected", found="a single file")
        stem = "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:40].strip("-") or "graph"
        names = [stem, *(f"{stem}-{i}" for i in range(2, 10_000))]
        path = next(folder / f"{candidate}.json" for candidate in names if not (folder / f"{candidate}.json").exists())
        write_graph(path, graph)
        if self._folder is None:
            self._files.append(path.resolve())
        return self.open(self._id(path))

    def _paths(self) -> list[Path]:
        """Graph files, the newest first; remembers their ids."""
        found = list(self._files)
        if self._folder is not None:
            inside = (path for path in self._folder.glob("*.json") if not path.name.startswith("."))
            found += [path for path in inside if path.is_file() and path.name not in INDEX_FILES]
        for path in found:
            self._id(path)
        return sorted(found, key=lambda path: -path.stat().st_mtime)

    def _id(self, path: Path) -> str:
        key = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._known[key] = path
        return key

    def _stamp(self, path: Path) -> tuple[float, int]:
        try:
            stat = path.stat()
        except OSError as error:
            raise GraphError(f"{path} should be a graph file (JSON)", found=error.strerror or "no such file") from error
        if stat.st_size > self._limits.file_bytes:
            most = self._limits.file_bytes // MEBIBYTE
            hint = "prune it with `gearscope trace` before it is opened here"
            raise GraphError(f"a graph of at most {most} MiB", found=f"{stat.st_size // MEBIBYTE} MiB", hint=hint)
        return stat.st_mtime, stat.st_size

    def _card(self, path: Path) -> schemas.Card:
        key, stamp = self._id(path), self._stamp(path)
        known = self._cards.get(key)
        if known is None or known[:2] != stamp:
            found = self.open(key)
            known = (*stamp, found.card)
            self._cards[key] = known
        return known[2]

    def _read(self, id: str, path: Path, modified: float, size: int) -> Opened:
        graph = read_graph(path)
        try:
            "".join(graph.nodes.ids).encode("utf-8")
        except UnicodeEncodeError as error:
            raise GraphError(f"{path} should name its nodes in text", found="half a character") from error
        heading = card(graph, id=id, name=path.name, modified=modified)
        return Opened(graph=graph, card=heading, path=path, modified=modified, size=size)
