"""The time that a run still takes, as progress says it."""

from gearscope.cli import progress


def test_time_left_is_said_once_the_count_has_grown(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    pace = progress._Pace()
    assert pace.left(4_000, 10_000) == "time left not known yet"
    now[0] += 60
    assert pace.left(4_000, 10_000) == "time left not known yet"
    assert pace.per_second(7_000) == 50
    assert pace.left(7_000, 10_000) == "1.0 min left"
