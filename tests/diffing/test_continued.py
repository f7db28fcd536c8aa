"""B goes on from a parting token in its own words, and only these are counted."""

import torch

from gearscope.diffing.continued import GOES_ON, Start, continued, given_until, starts_of


def test_starts_are_parting_tokens_that_no_continuation_has_passed():
    parting = torch.zeros(2, 64, dtype=torch.bool)
    parting[0, [3, 10, 3 + GOES_ON, 60]] = True
    parting[1, 5] = True
    assert starts_of(parting, 7) == [Start(7, 3), Start(7, 3 + GOES_ON), Start(7, 60), Start(8, 5)]
    assert starts_of(torch.zeros(2, 64, dtype=torch.bool)) == []


def test_the_given_tokens_stay_and_the_rest_is_what_the_model_says(planted):
    model = planted.pair.b
    draw = torch.Generator().manual_seed(0)
    given = torch.randint(5, 300, (3, 24), generator=draw)
    starts = [Start(0, 4), Start(1, 23), Start(2, 9)]
    made = continued(model, given.unbind(), starts, torch.Generator().manual_seed(1), 48)
    length = 12  # half of a short window
    for row, own, window, start in zip(made.ids, made.counted, given, starts, strict=True):
        last = given_until(start, 24)
        assert row[0] == window[0]
        assert row[1 : last + 1].tolist() == window[start.position - last + 1 : start.position + 1].tolist()
        assert own.nonzero()[:, 0].tolist() == list(range(last + 1, last + 1 + length))
    again = continued(model, given.unbind(), starts, torch.Generator().manual_seed(1), 48)
    assert torch.equal(again.ids, made.ids)
    other = continued(model, given.unbind(), starts, torch.Generator().manual_seed(2), 48)
    assert not torch.equal(other.ids, made.ids)


class Counts:
    """A model that is sure of the number after the last one."""

    device = torch.device("cpu")

    def run(self, ids):
        from gearscope.models.model import RunResult

        return RunResult(100.0 * torch.nn.functional.one_hot(ids + 1, 50).float(), {})


def test_each_token_is_drawn_behind_all_that_came_before():
    given = torch.arange(1, 9)[None].repeat(2, 1)
    made = continued(Counts(), given.unbind(), [Start(0, 2), Start(1, 7)], torch.Generator().manual_seed(0), 999)
    assert made.ids[0, :7].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert made.ids[1].tolist() == [1, 6, 7, 8, 9, 10, 11, 12]
