"""Pieces of text out of a data set on the HuggingFace hub, streamed: nothing is downloaded as a whole.

    hub:OWNER/NAME                    its column `text`, split `train`
    hub:OWNER/NAME:CONFIG             one of its configurations
    hub:OWNER/NAME:CONFIG@REVISION    at a branch, tag or commit

Needs the package `datasets` (extra `data`), which never runs a data set's own code.
"""

import importlib
import re
from collections.abc import Generator
from typing import Any, NamedTuple

from gearscope.config import fingerprint
from gearscope.corpus.windows import Place
from gearscope.errors import ArtifactError, ConfigError

PREFIX = "hub:"
_SPLIT = "train"


class HubTexts(NamedTuple):
    """The texts of a data set. Fulfils `corpus.windows.Texts`."""

    name: str
    config: str | None = None
    revision: str | None = None
    datasets: Any = None
    """The package, where a test has its own."""

    @classmethod
    def parse(cls, text: str, datasets: Any = None) -> "HubTexts":
        """Read `hub:OWNER/NAME[:CONFIG][@REVISION]`. Raises ConfigError."""
        match = re.fullmatch(r"hub:([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:@([\w./-]+))?", text)
        if match is None:
            raise ConfigError("a data set is written hub:OWNER/NAME[:CONFIG][@REVISION]", found=text)
        return cls(match[1], match[2], match[3], datasets)

    @property
    def fingerprint(self) -> str:
        """Hex digits of the name: what a branch holds may change, so name a commit to be sure."""
        return fingerprint([self.name, self.config, self.revision])

    def pieces(self, place: Place | None) -> Generator[tuple[str, Place]]:
        """Each text with the place behind it. Raises ArtifactError without the package, or when nothing can be read."""
        at = 0 if place is None else place["at"]
        for row in self._rows(at):
            at += 1
            text = row.get("text")
            if not isinstance(text, str):
                raise ArtifactError(f"{self.name} should have a `text` in every row", found=f"none in row {at - 1}")
            yield text, {"at": at}

    def _rows(self, at: int) -> Generator[dict[str, Any]]:
        datasets = self.datasets
        if datasets is None:
            try:
                datasets = importlib.import_module("datasets")
            except ImportError as error:
                hint = "install it with `pip install gearscope[data]`, or give a file or a folder of text"
                raise ArtifactError("datasets was expected, to read the hub", found="none", hint=hint) from error
        try:
            rows = datasets.load_dataset(self.name, self.config, split=_SPLIT, revision=self.revision, streaming=True)
            yield from rows.skip(at)
        except (OSError, ValueError, KeyError) as error:  # the package's own errors are among these
            found = " ".join(str(error).split())[:200]
            hint = "check the name, or go online"
            raise ArtifactError(f"a data set {self.name} was expected on the hub", found=found, hint=hint) from error
