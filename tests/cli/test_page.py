"""`demo` and `serve` on the command line; what they serve is tested in `tests/web`."""

import json
from pathlib import Path

from gearscope.cli import page as commands
from gearscope.graph.notes import Notes
from gearscope.graph.store import read_graph, write_notes

DEMO = ("demo",)


def test_once_prints_the_circuit_and_stores_nothing(gearscope, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEARSCOPE_DATA", str(tmp_path / "data"))
    outcome = gearscope(*DEMO, "--once")
    assert (outcome.code, outcome.err) == (0, "")
    assert 'traced   "95"' in outcome.out
    assert not (tmp_path / "data").exists()


def test_the_demo_prints_stores_and_then_serves_what_it_stored(gearscope, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEARSCOPE_DATA", str(tmp_path / "data"))
    asked = []
    monkeypatch.setattr(commands, "serve", lambda source, **settings: asked.append((source, settings)))
    outcome = gearscope(*DEMO, "--port", "4321", "--no-browser")
    assert outcome.code == 0
    assert 'traced   "95"' in outcome.out
    assert asked == [(tmp_path / "data" / "graphs", {"port": 4321, "no_browser": True})]
    (stored,) = (tmp_path / "data" / "graphs").iterdir()
    assert read_graph(stored).prompt == commands.DEMO_PROMPT
    # what a person added stays when the demo runs again; another circuit under the name is left alone
    pins = read_graph(stored).nodes.ids[:1]
    write_notes(stored, Notes(pinned=pins))
    gearscope(*DEMO, "--no-browser")
    assert read_graph(stored).pinned == pins
    assert len(list(stored.parent.iterdir())) == 1
    stored.write_text("damaged")
    gearscope(*DEMO, "--no-browser")
    assert stored.read_text() == "damaged"
    assert len(list(stored.parent.iterdir())) == 2


def test_serve_says_where_it_is_and_opens_a_browser_only_when_it_may(gearscope, monkeypatch, tmp_path: Path) -> None:
    opened = []
    monkeypatch.setattr("gearscope.web.server.serve", lambda config, announce: announce("http://there/?token=t"))
    monkeypatch.setattr(commands, "_open_browser", opened.append)
    assert gearscope("serve", str(tmp_path), "--no-browser").out.startswith("the page is at http://there/?token=t\n")
    said = gearscope("serve", str(tmp_path), "--json").out
    assert json.loads(said) == {"url": "http://there/?token=t", "serves": str(tmp_path)}
    assert opened == []
    outcome = gearscope("serve", str(tmp_path), "--host", "0.0.0.0")
    assert opened == ["http://there/?token=t"]
    assert "other machines" in outcome.err


def test_without_a_folder_the_users_own_is_served(gearscope, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEARSCOPE_DATA", str(tmp_path / "data"))
    served = []
    monkeypatch.setattr("gearscope.web.server.serve", lambda config, announce: served.append(config.source))
    assert gearscope("serve").code == 0
    assert served == [tmp_path / "data" / "graphs"]
    assert served[0].is_dir()
