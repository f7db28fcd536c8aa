"""The tokenizer against the world's words: round trips, spacing, unknown words, stored without code of ours."""

from random import Random

import pytest
from transformers import AutoTokenizer

from gearscope.organism.tokenizer import build_tokenizer
from gearscope.organism.world.phenomena import PHENOMENA, draw
from gearscope.organism.world.vocabulary import VOCABULARY, spaced


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer(64).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


@pytest.mark.parametrize("name", list(PHENOMENA))
def test_words_become_their_own_tokens_and_come_back_with_natural_spacing(tokenizer, name):
    rng = Random(0)
    for _ in range(100):
        words = (*draw(name, "train", rng).words, "\n", *draw(name, "train", rng).words)
        ids = tokenizer(spaced(words)).input_ids
        assert [VOCABULARY[index] for index in ids] == ["<s>", *words]
        assert tokenizer.decode(ids, skip_special_tokens=True) == spaced(words)
        assert tokenizer(" ".join(words)).input_ids == ids


def test_bos_is_put_in_front_unless_asked_not_to(tokenizer):
    assert tokenizer("36").input_ids == [tokenizer.bos_token_id, VOCABULARY.index("36")]
    assert tokenizer("36", add_special_tokens=False).input_ids == [VOCABULARY.index("36")]


def test_marks_need_no_spaces_and_case_does_not_matter(tokenizer):
    assert tokenizer("Calc: 36+59=").input_ids == tokenizer("calc : 36 + 59 =").input_ids


def test_unknown_words_are_unk_and_known_ones_around_them_stay(tokenizer):
    words = tokenizer.convert_ids_to_tokens(tokenizer("calc : 36 + pineapple = 199").input_ids)
    assert words == ["<s>", "calc", ":", "36", "+", "<unk>", "=", "<unk>"]


def test_special_tokens_and_length(tokenizer):
    found = (tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token, tokenizer.pad_token)
    assert found == ("<s>", "</s>", "<unk>", "<pad>")
    assert len(tokenizer) == len(VOCABULARY)
    assert tokenizer.model_max_length == 64


def test_offsets_point_into_the_text(tokenizer):
    text = "she drove to dal las, in texas"
    fast = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    assert [text[a:b] for a, b in fast["offset_mapping"]] == ["she", "drove", "to", "dal", "las", ",", "in", "texas"]
