"""Builds the page while the package is built, so that an installed gearscope needs no node.

Node is asked for only when the page is missing or stale and no fitting node is on the PATH; then it comes as a wheel
into the build's own environment. `GEARSCOPE_SKIP_FRONTEND=1` leaves the page out: the server then says so, and its API
works. An editable install goes on without the page when it cannot be built (no network, say); a wheel does not.
"""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):
    """Runs `frontend/node.py build` when its sources changed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build environment needs beyond hatchling; asked before it is filled."""
        node = self._node()
        return [node.WHEEL] if node is not None and not node.is_fresh() and node.node_on_path() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, if there is something to build."""
        del build_data
        node = self._node()
        if node is None or node.is_fresh():
            return
        try:
            node.build()
        except node.NodeError as error:
            if version != "editable":
                raise
            sys.stderr.write(f"gearscope is installed without its page: {error}\n")

    def _node(self) -> ModuleType | None:
        """The file that knows node; None when the page is left out or its sources are not here."""
        path = Path(self.root) / "frontend" / "node.py"
        if os.environ.get("GEARSCOPE_SKIP_FRONTEND") == "1" or not path.is_file():
            return None
        spec = importlib.util.spec_from_file_location("gearscope_frontend_node", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
