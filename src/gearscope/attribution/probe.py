"""A probe's file: a direction, and the site that it reads. The only file of this room that touches the disk."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from gearscope.errors import TargetError
from gearscope.ids import SiteId


def read_probe(path: Path) -> tuple[Tensor, SiteId]:
    """A probe: a safetensors file with one vector `direction` and the metadata `site`. Raises TargetError."""
    expected = f"{path} should be a safetensors file with a vector `direction` and the metadata `site`"
    try:
        with safe_open(path, framework="pt") as stored:
            site = (stored.metadata() or {}).get("site")
            if "direction" not in stored.keys() or site is None:  # noqa: SIM118 - not a mapping
                raise TargetError(expected, found=f"tensors {sorted(stored.keys())} and metadata {stored.metadata()}")
            return stored.get_tensor("direction"), SiteId.parse(site)
    except (OSError, SafetensorError) as error:
        raise TargetError(expected, found=str(error)) from error
