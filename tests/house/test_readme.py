"""The documents say only what is there: paths of the map, links, make targets, commands and their options, imports."""

import ast
import importlib
import re
import shlex

import pytest
import typer

from gearscope.cli.main import app
from tests.house.tree import README, REPOSITORY, fenced_blocks, name_of, pages, rooms

TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".json", ".svg", ""}
MACHINE_PATH = re.compile(r"(?<![\w.~/})\]-])/(?:home|root|Users|work|workspace|opt|srv|mnt|tmp|scratch)/\w")
PRIVATE_HOST = re.compile(r"\b[\w-]+\.(?:internal|corp|lan|intranet)\b")


def tree_paths(block: str) -> list[str]:
    """The paths of a drawn file tree, folders ending in a slash."""
    paths: list[str] = []
    open_folders: list[str] = []
    for line in block.splitlines():
        match = re.match(r"^((?:[│ ] {3})*(?:[├└]── )?)([\w./-]+)", line)
        if not match:
            continue
        depth, name = len(match[1]) // 4, match[2]
        paths.append("".join(open_folders[:depth]) + name)
        if name.endswith("/"):
            open_folders[depth:] = [name]
    return paths


def map_paths() -> list[str]:
    block = next(block for block in fenced_blocks(README) if "src/gearscope/" in block and "── " in block)
    return tree_paths(block)


def table_rows() -> list[tuple[str, list[str]]]:
    """The rows of the table "I want to change X -> open Y": what, and the paths to open."""
    section = README.read_text(encoding="utf-8").split("I want to change", 1)[1].split("\n## ", 1)[0]
    cells = [line.strip().strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return [(row[0].strip(), re.findall(r"`([^`]+)`", row[1])) for row in cells if len(row) == 2 and "`" in row[1]]


def test_a_drawn_tree_is_read():
    block = "a/           one\n├── b/       two\n│   └── c.py three\n└── d.py     four\nMakefile     five\n"
    assert tree_paths(block) == ["a/", "a/b/", "a/b/c.py", "a/d.py", "Makefile"]


def test_the_map_names_only_paths_that_exist():
    assert len(map_paths()) > 15
    assert not [path for path in map_paths() if not (REPOSITORY / path).exists()]


def test_the_map_names_every_room():
    drawn = {path.rstrip("/") for path in map_paths()}
    assert not {name_of(room) for room in rooms()} - drawn


def test_the_map_says_what_each_path_is_in_a_few_words():
    block = next(block for block in fenced_blocks(README) if "── " in block)
    for line in block.splitlines():
        words = re.split(r"\s{2,}", line.split("── ")[-1].strip(), maxsplit=1)
        assert len(words) == 2, line
        assert 3 <= len(words[1].split()) <= 12, line


def test_the_table_names_only_paths_that_exist_and_every_room():
    rows = table_rows()
    assert len(rows) >= 10
    named = [path for _, paths in rows for path in paths]
    assert not [path for path in named if not (REPOSITORY / path).exists()]
    unnamed = [name_of(room) for room in rooms() if not any(path.startswith(name_of(room)) for path in named)]
    assert not unnamed


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and not re.match(r"https?:|mailto:", target)]
    assert not [target for target in local if not (page.parent / target).exists()]


def test_make_targets_in_the_documents_exist():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    assert {"demo", "test", "check", "types", "bench", "bundle"} <= targets
    for path in [*pages(), REPOSITORY / ".ci" / "run"]:
        text = path.read_text(encoding="utf-8")
        lines = text if path.suffix != ".md" else "\n".join(fenced_blocks(path))
        spoken = set(re.findall(r"`make ([a-z]+)", text)) | set(
            re.findall(r"^make ([a-z]+)", lines, flags=re.MULTILINE)
        )
        assert spoken <= targets, name_of(path)


def test_the_two_commands_of_the_readme_are_what_continuous_integration_runs():
    two = {line for block in fenced_blocks(README) for line in block.splitlines() if line.startswith("make ")}
    run = set((REPOSITORY / ".ci" / "run").read_text(encoding="utf-8").splitlines())
    commands = {line.split("#")[0].strip() for line in two}
    assert {"make demo", "make test"} <= commands
    assert {"make demo", "make test"} <= run


def documented_command_lines() -> list[tuple[str, str]]:
    lines = [(name_of(page), line) for page in pages() for block in fenced_blocks(page) for line in block.splitlines()]
    return [(page, line.removeprefix("$ ")) for page, line in lines if line.removeprefix("$ ").startswith("gearscope ")]


def unknown_words(line: str) -> list[str]:
    """Subcommands and options in one command line that the program does not have."""
    command, problems = typer.main.get_command(app), []
    for word in shlex.split(line, comments=True)[1:]:
        if word.startswith("--"):
            known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
            problems += [word] if word.split("=")[0] not in known else []
        elif subcommands := getattr(command, "commands", {}):
            if word not in subcommands:
                return [*problems, word]
            command = subcommands[word]
    return problems


def test_command_lines_in_the_documents_exist():
    lines = documented_command_lines()
    assert len(lines) >= 5
    assert not {line: (page, unknown_words(line)) for page, line in lines if unknown_words(line)}


def test_a_wrong_command_line_is_seen():
    assert unknown_words("gearscope trace 'a b' --no-such-option 3") == ["--no-such-option"]
    assert unknown_words("gearscope nosuch --all") == ["nosuch"]


def test_imports_in_the_documents_resolve():
    seen = 0
    for page in pages():
        for block in fenced_blocks(page):
            for module, name in re.findall(r"^from (gearscope[\w.]*) import (\w+)$", block, flags=re.MULTILINE):
                assert hasattr(importlib.import_module(module), name), f"{name_of(page)}: {module}.{name}"
                ast.parse(block)
                seen += 1
    assert seen >= 2


def test_nothing_names_a_machine():
    folders = ("src", "tests", "benchmarks", "docs", ".ci")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*")]
    files += [path for path in REPOSITORY.iterdir() if path.name not in ("LICENSE", ".git")]
    found = {}
    for path in files:
        if path.is_file() and path.suffix in TEXT_SUFFIXES and "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8", errors="replace")
            hits = [match[0] for pattern in (MACHINE_PATH, PRIVATE_HOST) for match in pattern.finditer(text)]
            if hits:
                found[name_of(path)] = hits
    assert not found
