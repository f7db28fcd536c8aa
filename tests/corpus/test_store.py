"""Files become pieces of text with nothing lost, from any place on; wrong files are one clear error."""

import json
import sys

import pytest

from gearscope.corpus.store import TextFiles
from gearscope.errors import ArtifactError

TEXT = "".join(f"line {number} is {'long ' * (number % 90)}and done é\n" for number in range(200))


def read(path, place=None) -> list[tuple[str, object]]:
    return list(TextFiles(path).pieces(place))


def test_plain_text_is_cut_at_lines_and_nothing_is_lost(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    pieces = read(path)
    assert "".join(text for text, _ in pieces) == TEXT
    assert all(text.endswith("\n") for text, _ in pieces)
    assert 30 < len(pieces) < 60


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.parquet"])
def test_reading_goes_on_behind_every_place(tmp_path, name):
    path = tmp_path / name
    if name.endswith("parquet"):
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        table = pyarrow.table({"id": list(range(150)), "text": [f"row {number}" for number in range(150)]})
        parquet.write_table(table, path, row_group_size=40)
    elif name.endswith("jsonl"):
        lines = [json.dumps({"text": f"line {n} é", "id": n}, ensure_ascii=n % 2 == 0) for n in range(30)]
        path.write_text("\n".join([*lines[:7], "", *lines[7:]]) + "\n", encoding="utf-8")
    else:
        path.write_text(TEXT, encoding="utf-8")
    whole = read(path)
    for number, (_, place) in enumerate(whole):
        assert read(path, json.loads(json.dumps(place))) == whole[number + 1 :]


def test_json_lines_give_their_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n{"text": "two\\nlines", "other": 3}\n')
    assert [text for text, _ in read(path)] == ["one", "two\nlines"]


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    for name in ("b.txt", "a.txt", "ignored.bin"):
        (tmp_path / name).write_text(name)
    assert [text for text, _ in read(tmp_path)] == ["a.txt", "b.txt"]
    place = read(tmp_path)[0][1]
    assert [text for text, _ in read(tmp_path, place)] == ["b.txt"]


def test_a_line_without_end_is_read_in_parts(tmp_path):
    path = tmp_path / "a.txt"
    text = "wörd " * 500_000
    path.write_text(text, encoding="utf-8")
    pieces = read(path)
    assert len(pieces) > 2
    assert "".join(piece for piece, _ in pieces) == text
    assert read(path, pieces[0][1]) == pieces[1:]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"good\n\xff\xfe\n", "UTF-8; found other bytes near byte 5"),
        ("a.jsonl", b'{"text": "x"}\n{oops\n', "a line that is not JSON at byte 14"),
        ("a.jsonl", b'{"other": "x"}\n', "a line without one at byte 0"),
        ("a.jsonl", b"[1]\n", "a line without one"),
        ("a.parquet", b"PAR1 not really", "should be a Parquet file"),
    ],
)
def test_wrong_files(tmp_path, name, content, message):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        read(tmp_path / name)


def test_a_parquet_file_without_text(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table({"id": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ArtifactError, match="column `text`"):
        read(tmp_path / "a.parquet")


def test_places_without_text(tmp_path):
    with pytest.raises(ArtifactError, match="no such file or folder"):
        TextFiles(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="a folder with none of them"):
        TextFiles(tmp_path)
    (tmp_path / "a.pdf").write_text("x")
    with pytest.raises(ArtifactError, match=r"ends in \.pdf"):
        TextFiles(tmp_path / "a.pdf")


def test_the_fingerprint_changes_with_content(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one two")
    before = TextFiles(path).fingerprint
    path.write_text("one too")
    assert TextFiles(path).fingerprint != before


def test_pyarrow_is_only_loaded_for_parquet(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    had = "pyarrow" in sys.modules
    read(tmp_path / "a.txt")
    assert ("pyarrow" in sys.modules) == had
