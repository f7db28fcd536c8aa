from pathlib import Path

import pytest

from gearscope.errors import ConfigError
from gearscope.web.config import ServeConfig, data_folder


def test_where_traced_graphs_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("GEARSCOPE_DATA", str(tmp_path))
    assert data_folder() == tmp_path / "graphs"
    monkeypatch.delenv("GEARSCOPE_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "x"))
    assert data_folder() == tmp_path / "x" / "gearscope" / "graphs"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert data_folder() == tmp_path / "home" / ".local" / "share" / "gearscope" / "graphs"


@pytest.mark.parametrize("port", [-1, 70000])
def test_ports_that_are_none(port):
    with pytest.raises(ConfigError, match="port"):
        ServeConfig.of(source=Path(), port=port)
