"""Text to ids: the BOS policy, words nobody knows, chat templates, names of tokens."""

from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from gearscope.errors import PromptError, TargetError
from gearscope.models.model import Model, wrap
from gearscope.models.tokens import in_text
from tests.oracles.tiny_models import VOCABULARY, tiny

WORDS = ("<s>", "</s>", "<unk>", "<pad>", "one", "two", "three", "four", "five", "six", "seven")
assert len(WORDS) == VOCABULARY
TEMPLATE = (
    "{% for m in messages %}<s> two {{ m['content'] }}{% endfor %}{% if add_generation_prompt %} three{% endif %}"
)


def words(*, puts_bos: bool = True, unknown: str | None = "<unk>", **roles: str) -> PreTrainedTokenizerFast:
    """A word tokenizer with the special tokens in `roles`."""
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token=unknown))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.add_special_tokens([AddedToken(token, special=True) for token in roles.values()])
    if puts_bos:
        core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=core, clean_up_tokenization_spaces=False, **roles)


def opened(tokenizer: Any | None, **changes: Any) -> Model:
    return wrap(tiny("llama", **changes), tokenizer)


ALL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


@pytest.mark.parametrize(
    ("roles", "puts_bos", "text", "ids"),
    [
        (ALL, True, "one two", [0, 4, 5]),
        (ALL, True, "<s> one two", [0, 4, 5]),
        (ALL, False, "one two", [0, 4, 5]),
        (ALL, False, "<s> one two", [0, 4, 5]),
        (ALL, False, "</s> one", [1, 4]),
        ({"eos_token": "</s>", "pad_token": "<pad>"}, False, "one", [3, 4]),
        ({"eos_token": "</s>"}, False, "one", [1, 4]),
        ({}, False, "one two", [4, 5]),
    ],
)
def test_what_stands_first(roles: dict[str, str], puts_bos: bool, text: str, ids: list[int]) -> None:
    model = opened(words(puts_bos=puts_bos, **roles))
    tokens = model.tokens(text)
    assert tokens.ids.tolist() == ids
    assert tokens.shown == tuple(WORDS[i] for i in ids)
    assert tokens.text == text
    assert model.record(tokens.ids).n_constant_positions == (1 if roles else 0)


def test_ids_are_used_as_they_are() -> None:
    model = opened(words(**ALL))
    assert model.tokens([4, 5]).ids.tolist() == [4, 5]
    assert model.record(model.tokens([4, 5]).ids).n_constant_positions == 0
    assert model.tokens(torch.tensor([0, 5])).shown == ("<s>", "two")
    bare = opened(None)
    assert bare.tokens([4, 5]).shown == ("4", "5")
    for prompt, message in (("one", "no tokenizer; found text"), ([4, 11], "from 0 to 10"), ([], "at least one token")):
        with pytest.raises(PromptError, match=message):
            bare.tokens(prompt)


def test_prompts_that_are_refused() -> None:
    model = opened(words(**ALL))
    for text in ("", "  "):
        with pytest.raises(PromptError, match="at least one token was expected; found"):
            model.tokens(text)
    with pytest.raises(PromptError, match=r"found 'nine', 'ten'; use words"):
        model.tokens("one nine two ten nine")
    assert model.tokens("one <unk>").ids.tolist() == [0, 4, 2], "a spelled-out unknown token is the user's choice"
    with pytest.raises(PromptError, match="at most 32 tokens was expected; found 41 tokens"):
        model.tokens("one " * 40)
    assert len(model.tokens("one " * 31).ids) == 32


def test_an_unknown_word_hidden_behind_a_known_one() -> None:
    """A word tokenizer whose own unknown token is an ordinary word, and which tells nobody."""
    model = opened(words(puts_bos=False, unknown="one"))
    assert model.tokens("one two").ids.tolist() == [4, 5]
    with pytest.raises(PromptError, match="found 'nine'"):
        model.tokens("two nine")


def test_chat() -> None:
    tokenizer = words(**ALL)
    with pytest.raises(PromptError, match="with a chat template was expected; found none; leave out --chat"):
        opened(tokenizer).tokens("one", chat=True)
    tokenizer.chat_template = TEMPLATE
    model = opened(tokenizer)
    tokens = model.tokens("one", chat=True)
    assert tokens.ids.tolist() == [0, 5, 4, 6]
    assert tokens.text == "one"
    for prompt, message in (("", "at least one token"), ("nine", "found 'nine'"), ([4], "a chat prompt is text")):
        with pytest.raises(PromptError, match=message):
            model.tokens(prompt, chat=True)


def test_byte_level_names() -> None:
    """Spaces belong to tokens; a piece of a character keeps its stored name."""
    pieces = ["<|end|>", "a", "Ġa", "Ã", "©", "Ġ", "b"]
    core = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, [("Ġ", "a")]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(["<|end|>"])
    ends = {"bos_token": "<|end|>", "eos_token": "<|end|>", "unk_token": "<|end|>"}
    model = opened(PreTrainedTokenizerFast(tokenizer_object=core, **ends), vocab_size=len(pieces))
    assert list(model.token_names()) == ["<|end|>", "a", " a", "Ã", "©", " ", "b"]
    tokens = model.tokens("a ab\N{LATIN SMALL LETTER E WITH ACUTE}")
    assert tokens.ids.tolist() == [0, 1, 2, 6, 3, 4]
    assert model.record(tokens.ids).n_constant_positions == 1
    assert model.token_id("a") == 1
    assert model.token_id(" a") == 2
    with pytest.raises(TargetError, match="one token of the model was expected; found 2 tokens for 'ab'"):
        model.token_id("ab")


def test_token_ids_by_name() -> None:
    model = opened(words(**ALL))
    assert model.token_id("two") == 5
    assert model.token_id("<s>") == 0
    with pytest.raises(TargetError, match="the unknown word 'nine'"):
        model.token_id("nine")
    with pytest.raises(TargetError, match="found 2 tokens for 'one two'"):
        model.token_id("one two")
    bare = opened(None)
    assert bare.token_id("7") == 7
    with pytest.raises(TargetError, match="a token id below 11"):
        bare.token_id("11")
    names = bare.token_names()
    assert (len(names), names[3], names[2:4]) == (11, "3", ["2", "3"])
    with pytest.raises(IndexError):
        names[11]


def test_generation_ends_with_the_end_token() -> None:
    hf = tiny("llama")
    plain = [step.token for step in wrap(hf).generate([0, 4], 12)]
    ender = words(**{**ALL, "eos_token": WORDS[plain[3]]})
    written = [step.token for step in wrap(hf, ender).generate([0, 4], 12)]
    assert written == plain[: plain.index(plain[3]) + 1]


def test_tokens_as_they_stand_in_text() -> None:
    marks = {"<s>": 0, "what": 1, "is": 2, "?": 3, "\n": 4}
    core = Tokenizer(models.WordLevel(marks, unk_token="?"))
    core.decoder = decoders.Sequence([decoders.WordPiece(prefix="##", cleanup=True)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, clean_up_tokenization_spaces=False, bos_token="<s>")
    names = [*marks]
    assert in_text(tokenizer, names) == ["<s>", " what", " is", "?", " \n"]
    assert in_text(None, names) == names
    assert in_text(tokenizer, names[3:]) == names[3:]  # no word to stand behind
