"""`constraints.txt` pins what the project needs, and the pins lie inside the ranges of `pyproject.toml`."""

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.tree import REPOSITORY


def pins(path: Path) -> dict[str, Requirement]:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found}


def requirements() -> list[Requirement]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    return [Requirement(line) for line in [*project["dependencies"], *(line for extra in extras for line in extra)]]


def test_every_pin_is_one_exact_version_without_a_local_label():
    for pin in pins(REPOSITORY / "constraints.txt").values():
        (only,) = pin.specifier
        assert only.operator == "=="
        assert "+" not in only.version


def test_every_requirement_is_pinned_inside_its_range():
    pinned = pins(REPOSITORY / "constraints.txt")
    for requirement in requirements():
        (pin,) = pinned[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), f"{requirement} and {pin}"


def test_what_the_requirements_need_is_pinned_too():
    pinned, todo, seen = pins(REPOSITORY / "constraints.txt"), [r.name for r in requirements()], set[str]()
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            needs = [Requirement(line) for line in importlib.metadata.requires(name) or []]
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that this environment was made without
        todo += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    brought_by_torch = {name for name in seen if name.startswith(("nvidia-", "cuda-"))}
    assert not seen - set(pinned) - brought_by_torch
