"""Labels: a person's first, all or none, read while written, kept through a kill."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from gearscope.errors import ArtifactError, ConfigError
from gearscope.features.notes import Notes
from gearscope.features.records import NewLabel, Score
from gearscope.features.similar import similar_labels


def label(text: str, method: str = "llm", number: int = 7, **more) -> NewLabel:
    return NewLabel(number, text, method, **more)


def test_the_label_that_is_shown(tmp_path):
    with Notes.write(tmp_path / "notes.sqlite") as notes:
        notes.add_labels([label("unscored"), label("good", score=0.8), label("better", score=0.9, model="m")])
        assert [one.text for one in notes.labels(7)] == ["better", "good", "unscored"]
        notes.add_labels([label("mine", "human")])
        notes.add_labels([label("mine again", "human"), label("best", score=1.0)])
        assert notes.shown([7, 8])[7].text == "mine again"
        assert [one.text for one in notes.labels(7)][1] == "mine"
        notes.set_main_score(notes.labels(7)[-1].id, "detection", 2.0, 0.5)
        assert notes.labels(7)[2].baseline == 0.5


def test_labels_are_replaced_removed_and_forgotten_by_the_index(tmp_path):
    with Notes.write(tmp_path / "notes.sqlite") as notes:
        notes.add_labels([label("an old zebra", model="m"), label("another zebra", model="n"), label("own", "human")])
        (new,) = notes.add_labels([label("a giraffe", model="m")], replace=True)
        assert {one.text for one in notes.labels(7)} == {"a giraffe", "another zebra", "own"}
        assert [hit.label.text for hit in similar_labels(notes, "zebra", 9)] == ["another zebra"]
        notes.add_scores([Score(new, "fuzzing", None, 0.5, 10, {"failed": 3}, "")])
        assert notes.scores(new)[0].details == {"failed": 3}
        notes.remove_label(new)
        assert notes.scores(new) == []
        with pytest.raises(ConfigError, match="with the id"):
            notes.remove_label(new)


def test_labels_are_stored_all_or_none(tmp_path):
    with Notes.write(tmp_path / "notes.sqlite") as notes:
        with pytest.raises(ConfigError, match="a label for feature number 7"):
            notes.add_labels([label("one"), label("  ")])
        assert notes.labels(7) == []


def test_readers_read_while_somebody_writes(tmp_path):
    path = tmp_path / "notes.sqlite"
    with Notes.write(path) as writing:
        writing.add_labels([label("first")])
        writing.connection.execute("BEGIN IMMEDIATE")
        writing.connection.execute("UPDATE label SET text = 'second'")
        with Notes.read(path) as reading:
            assert reading.labels(7)[0].text == "first"
            writing.connection.commit()
            assert reading.labels(7)[0].text == "second"
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reading.connection.execute("DELETE FROM label")


WRITE_FOREVER = """
import sys
from pathlib import Path
from gearscope.features.notes import Notes
from gearscope.features.records import NewLabel
with Notes.write(Path(sys.argv[1])) as notes:
    number = 0
    while True:
        notes.add_labels([NewLabel(number, f"label {number} {part}", "llm") for part in range(50)])
        number += 1
        print(number, flush=True)
"""


def test_a_killed_writer_leaves_whole_labels(tmp_path):
    path = tmp_path / "notes.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(20):
            told = int(writer.stdout.readline())
        time.sleep(0.01)
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        told = max([told, *map(int, writer.communicate()[0].split())])
    with Notes.write(path) as notes:
        counts = dict(notes.connection.execute("SELECT feature, count(*) FROM label GROUP BY feature"))
        assert set(counts) >= set(range(told))
        assert set(counts.values()) == {50}
        assert notes.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_damaged_labels_are_one_sentence(tmp_path):
    path = tmp_path / "notes.sqlite"
    for column, value in (("method", "magic"), ("details", "[1]"), ("details", "{"), ("score", "high")):
        path.unlink(missing_ok=True)
        with Notes.write(path) as notes:
            notes.add_labels([label("x", score=0.5)])
            notes.connection.execute(f"UPDATE label SET {column} = ?", (value,))
            notes.connection.commit()
            with pytest.raises(ArtifactError, match=r"notes\.sqlite should hold"):
                notes.labels(7)
