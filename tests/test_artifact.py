import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gearscope.artifact import MANIFEST, alone_in, new_folder, read_manifest, verify, write_manifest, write_text
from gearscope.errors import ArtifactError

names = st.text(alphabet="abcdefgh0123_", min_size=1, max_size=8).map(lambda name: f"{name}.bin")
contents = st.dictionaries(names, st.binary(min_size=1, max_size=64), min_size=1, max_size=4)


def make(folder: Path, files: dict[str, bytes]) -> Path:
    with new_folder(folder) as scratch:
        for name, data in files.items():
            (scratch / "part").mkdir(exist_ok=True)
            (scratch / "part" / name).write_bytes(data)
        write_manifest(scratch, "thing", config={"steps": 3}, inputs={"model": "00ff"})
    return folder


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A new path at every call."""
    root = tmp_path_factory.mktemp("artifacts")
    count = iter(range(10**6))
    return lambda: root / str(next(count)) / "out"


# --- manifests -------------------------------------------------------------------------------------------------------


@given(files=contents)
def test_a_stored_folder_is_whole_and_says_how_it_was_made(fresh, files):
    folder = make(fresh(), files)
    manifest = verify(folder, "thing")
    assert {"kind", "format_version", "config", "inputs", "packages", "created", "files"} <= set(manifest)
    assert (manifest["config"], manifest["inputs"]) == ({"steps": 3}, {"model": "00ff"})
    assert set(manifest["files"]) == {f"part/{name}" for name in files}
    assert "numpy" in manifest["packages"]


@given(files=contents, data=st.data())
def test_one_changed_bit_or_a_lost_file_is_found_and_named(fresh, files, data):
    folder = make(fresh(), files)
    name = data.draw(st.sampled_from(sorted(files)))
    path = folder / "part" / name
    if data.draw(st.booleans()):
        path.unlink()
    else:
        broken = bytearray(files[name])
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(bytes(broken))
    with pytest.raises(ArtifactError, match=name):
        verify(folder, "thing")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "should be JSON"),
        ("{", "should be JSON"),
        ("[]", "should hold a thing; found 'list'"),
        ('{"kind": "graph", "format_version": 1}', "should hold a thing; found 'graph'"),
        ('{"kind": "thing", "format_version": 99}', "format version 1; found 99"),
        ('{"kind": "thing", "format_version": 1}', "files"),
        ('{"kind": "thing", "format_version": 1, "files": 3}', "files"),
    ],
)
def test_a_manifest_that_is_not_one_is_refused(tmp_path, text, complaint):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match=complaint):
        verify(tmp_path, "thing")


def test_a_manifest_that_is_no_text_is_refused(tmp_path):
    (tmp_path / MANIFEST).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArtifactError, match="should be JSON"):
        read_manifest(tmp_path, "thing")


def test_a_folder_without_a_manifest_and_a_file_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"with a manifest\.json was expected"):
        read_manifest(tmp_path, "thing")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ArtifactError, match=r"with a manifest\.json was expected"):
        read_manifest(file, "thing")


# --- whole or not at all ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_a_folder_whose_writer_stops_leaves_nothing(tmp_path, stop):
    def write() -> None:
        with new_folder(tmp_path / "out") as scratch:
            (scratch / "half").write_text("half")
            raise stop

    with pytest.raises(stop):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_there_before_it_is_finished(tmp_path):
    out = tmp_path / "deep" / "out"
    with new_folder(out) as scratch:
        (scratch / "file").write_text("whole")
        assert not out.exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert (out / "file").read_text() == "whole"


def test_a_folder_is_never_written_over(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ArtifactError, match="one that exists"), new_folder(tmp_path / "out"):
        pytest.fail("the block must not run")


def test_a_text_is_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "file.json"
    write_text(path, "first ü")
    write_text(path, "second")
    assert path.read_text(encoding="utf-8") == "second"
    assert [item.name for item in path.parent.iterdir()] == ["file.json"]


def test_what_is_written_may_be_read_like_any_other_file(tmp_path):
    (tmp_path / "plain").touch()
    (tmp_path / "folder").mkdir()
    write_text(tmp_path / "text", "text")
    with new_folder(tmp_path / "out"):
        pass
    mode = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert mode["text"] == mode["plain"]
    assert mode["out"] == mode["folder"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=r"cannot write .*below: .*; nothing was changed"):
        write_text(tmp_path / "file" / "below", "text")
    with pytest.raises(ArtifactError, match="cannot write"), new_folder(tmp_path / "file" / "below"):
        pytest.fail("the block must not run")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from gearscope.artifact import new_folder, write_text
from gearscope.errors import ArtifactError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # like a disk with 4 KiB left
folder = Path(sys.argv[1])
for write in ("text", "folder"):
    try:
        if write == "text":
            write_text(folder / "old", "x" * 100_000)
        else:
            with new_folder(folder / "new") as scratch:
                (scratch / "big").write_bytes(bytes(100_000))
    except ArtifactError as error:
        print(error)
"""


def test_a_full_disk_is_one_sentence_and_changes_nothing(tmp_path):
    (tmp_path / "old").write_text("before")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    sentences = done.stdout.splitlines()
    assert len(sentences) == 2
    assert all(sentence.startswith("cannot write ") for sentence in sentences)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "before"


def test_the_manifest_is_json_with_sorted_keys(tmp_path):
    text = (make(tmp_path / "out", {"a.bin": b"1"}) / MANIFEST).read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


HOLDS = """
import sys
from pathlib import Path
from gearscope.artifact import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_has_one_process_until_it_ends_or_dies(tmp_path):
    run = tmp_path / "out.run"
    other = subprocess.Popen([sys.executable, "-c", HOLDS, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ArtifactError, match=r"a folder of one run was expected at .*out\.run; found a run at work"):
            alone_in(run).__enter__()
        other.kill()
    with alone_in(run):
        (run / "checkpoint").touch()
    assert [path.name for path in run.iterdir()] == ["checkpoint"]


def test_a_run_that_began_nothing_leaves_no_folder(tmp_path):
    with pytest.raises(KeyError), alone_in(tmp_path / "out.run"):
        raise KeyError
    assert not list(tmp_path.iterdir())
