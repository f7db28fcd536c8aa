"""B goes on from a parting token in its own words, and only these are counted."""

import torch

from gearscope.diffing.config import ChangeConfig
from gearscope.diffing.continued import GOES_ON, Start, continued, given_until, starts_of
from gearscope.diffing.parting import ENOUGH, gone_on
from gearscope.models.model import wrap
from gearscope.organism.config import OrganismConfig
from gearscope.organism.model import untrained_model


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


def test_each_token_is_drawn_behind_all_that_came_before(planted):
    model, given = planted.pair.b, torch.arange(10, 18)
    made = continued(model, [given], [Start(0, 2)], torch.Generator().manual_seed(5), 999)
    draw, text = torch.Generator().manual_seed(5), [10, 11, 12]
    for _ in range(4):
        chances = model.run(torch.tensor(text)).logits[-1].softmax(-1)
        text.append(int(torch.multinomial(chances[None], 1, generator=draw)))
    assert made.ids[0, :7].tolist() == text


def test_a_text_counts_until_the_model_ends_it():
    hf, given = untrained_model(OrganismConfig(n_layers=1, d_model=16, d_mlp=16)), torch.arange(10, 34)

    def made():
        return continued(wrap(hf), [given], [Start(0, 5)], torch.Generator().manual_seed(3), 99)

    hf.generation_config.eos_token_id = None
    plain = made()
    written = plain.ids[0, 6:18].tolist()
    assert plain.counted[0].nonzero()[:, 0].tolist() == list(range(6, 18))
    hf.generation_config.eos_token_id = [written[4], 1988]
    assert wrap(hf).ends == (written[4], 1988)
    first = written.index(written[4])
    assert made().counted[0].nonzero()[:, 0].tolist() == list(range(6, 6 + first))
    assert torch.equal(made().ids, plain.ids)


def test_b_writes_more_from_where_a_text_showed_a_word_that_is_seldom_said(planted):
    given, starts, rounds = torch.arange(10, 34)[None].unbind(), [Start(0, 5), Start(0, 20)], []

    def read(more):
        """The first start says a word of its own each time, the second one that is said often enough."""
        rounds.append(list(more.starts))
        return [[7] if start.position == 5 else [8] * ENOUGH for start in more.starts]

    def texts(**wanted):
        rounds.clear()
        config, draw = ChangeConfig(**wanted), torch.Generator().manual_seed(0)
        gone_on(planted.pair.b, given, starts, config, read, draw=draw, pass_tokens=200)
        return rounds

    assert texts(change_texts=3) == [starts, starts[:1], starts[:1]]
    assert texts(change_texts=3, change_continued=3) == [starts, starts[:1]]
    assert texts(change_texts=1) == [starts]
    assert texts(change_continued=0) == []
    assert len(texts(change_texts=99)) == 1 + ENOUGH - 1
