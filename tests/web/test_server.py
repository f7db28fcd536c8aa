"""The real server in a process of its own: its address, its end, and that it opens graphs without torch."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gearscope.errors import ConfigError
from gearscope.web.app import allowed_hosts
from gearscope.web.server import is_loopback, listen
from tests.web.conftest import FakeBench, client_of

RUN = "import sys; sys.argv[0] = 'gearscope'; from gearscope.cli.main import run; run()"
WATCHED = """
import sys, threading, time
sys.argv[0] = "gearscope"
from gearscope.cli.main import main
try:
    code = main(sys.argv[1:])
finally:
    print(sorted(name for name in ("torch", "transformers", "tokenizers") if name in sys.modules), flush=True)
"""


@contextmanager
def served(*arguments: str, code: str = RUN) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A server on a free port, and its address."""
    command = [sys.executable, "-c", code, "serve", *arguments, "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=10)[1]
        yield process, json.loads(line)["url"]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def ask(url: str, path: str) -> object:
    place, _, token = url.partition("/?token=")
    request = urllib.request.Request(place + path, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_stored_graphs_are_shown_without_torch_and_ctrl_c_ends_with_one_line(shelf_folder: Path) -> None:
    with served(str(shelf_folder), code=WATCHED) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        (card,) = ask(url, "/api/graphs")["graphs"]
        view = ask(url, f"/api/graphs/{card['id']}?node=0.5")
        ask(url, f"/api/graphs/{card['id']}/node?id={view['nodes'][0]['id']}")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert out.strip() == "[]"  # nothing heavy was ever imported
        assert err.count("\n") == 1
        assert "interrupted" in err
        assert "Traceback" not in err


def test_a_second_server_on_the_same_port_is_one_sentence(shelf_folder: Path, gearscope) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = gearscope("serve", str(shelf_folder), "--port", str(taken.getsockname()[1]))
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert "already in use" in outcome.err
    assert "--port" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{folder}/absent"], ["nothing there"]),
        (["{folder}/empty.json"], ["empty file"]),
        (["{folder}/text.json"], ["not JSON"]),
        (["{folder}", "--host", "no.such.host.invalid"], ["address to listen on"]),
        (["{folder}", "--host", "203.0.113.7"], ["address to listen on"]),
        (["{folder}", "--port", "99999"], ["65535"]),
        (["{folder}", "--port", "x"], ["--port"]),
    ],
)
def test_mistakes_are_one_sentence(shelf_folder: Path, gearscope, arguments, words) -> None:
    (shelf_folder / "empty.json").write_text("")
    (shelf_folder / "text.json").write_text("not json")
    outcome = gearscope("serve", *(argument.format(folder=shelf_folder) for argument in arguments))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("gearscope: ")
    assert outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err


def test_a_free_port_is_taken_before_anything_is_said() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            listen("127.0.0.1", port)


def test_names_that_are_answered() -> None:
    assert "example.org:80" in allowed_hosts("example.org", 80)
    assert "example.org" in allowed_hosts("example.org", 80)
    assert allowed_hosts("0.0.0.0", 9) == {"127.0.0.1:9", "localhost:9", "[::1]:9"}
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_without_its_page_the_server_says_so_and_its_api_works(shelf_folder: Path, tmp_path: Path) -> None:
    from gearscope.web.app import build_app
    from gearscope.web.config import ServeConfig
    from tests.web.conftest import BEARER, HOST, PORT, TOKEN, TestClient

    app = build_app(ServeConfig(source=shelf_folder), token=TOKEN, port=PORT, static=tmp_path / "none")
    client = TestClient(app, base_url=HOST, headers=BEARER)
    assert "without its page" in client.get("/").text
    assert len(client.get("/api/graphs").json()["graphs"]) == 1
    assert client_of(shelf_folder, FakeBench(), headers=BEARER).get("/api/nothing").json() == {"error": "Not Found"}
