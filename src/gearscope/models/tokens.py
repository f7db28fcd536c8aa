"""Text to token ids and back, for reading by people.

Which special token stands first (the BOS policy): when the ids of a prompt do not begin with a special token, the
tokenizer's bos is put before them, else its pad, else its eos; when it has none of them nothing is put there, and no
position counts as constant. It is never doubled: a bos that the text already spells is kept once. Ids given instead of
text are used as they are. A chat prompt is wrapped by the tokenizer's own template with the assistant's turn opened.

Text whose words the tokenizer does not know is refused, with the words. It knows nothing about models.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, overload

import torch
from jaxtyping import Int
from torch import Tensor

from gearscope.errors import PromptError, TargetError


class Tokens(NamedTuple):
    """A prompt as the model reads it."""

    ids: Int[Tensor, " P"]
    shown: tuple[str, ...]
    """One readable string per token."""
    text: str
    """The prompt as it was given; for ids, their strings joined."""


class TokenNames(Sequence[str]):
    """The readable string of every token of a vocabulary, made when it is asked for."""

    def __init__(self, tokenizer: Any | None, n_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._n_tokens = n_tokens
        self._known: dict[int, str] = {}

    def __len__(self) -> int:
        return self._n_tokens

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        token = int(index)
        if not 0 <= token < self._n_tokens:
            raise IndexError(f"token {token} of {self._n_tokens}")
        if token not in self._known:
            self._known[token] = self._name(token)
        return self._known[token]

    def _name(self, token: int) -> str:
        if self._tokenizer is None:
            return str(token)
        piece = self._tokenizer.convert_ids_to_tokens(token)
        text = self._tokenizer.decode([token], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if piece is None or not text or "\N{REPLACEMENT CHARACTER}" in text:
            return f"[{token}]" if piece is None else str(piece)
        starts_word = str(piece).startswith("\N{LOWER ONE EIGHTH BLOCK}") and not text.startswith(" ")
        return f" {text}" if starts_word else text


def in_text(tokenizer: Any | None, names: Sequence[str]) -> list[str]:
    """The string of every token as it stands behind a word: where words are tokens, spaces appear only there."""
    if tokenizer is None:
        return list(names)
    special = special_ids(tokenizer)
    word = next((token for token, name in enumerate(names) if name.isalpha() and token not in special), None)
    if word is None:
        return list(names)

    def decode(ids: list[int]) -> str:
        return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    start = decode([word])
    found = []
    for token, name in enumerate(names):
        text = decode([word, token])
        as_read = text.startswith(start) and text[len(start) :].strip() == name.strip() and token not in special
        found.append(text[len(start) :] if as_read else name)
    return found


def special_ids(tokenizer: Any) -> set[int]:
    """Ids of tokens that are not text. The unknown token is not one of them, unless it also begins or ends texts."""
    roles = {tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id}
    added = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    return ((set(tokenizer.all_special_ids) | added) - {tokenizer.unk_token_id} | roles) - {None}


def encode(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text under the BOS policy. Raises PromptError for an empty one and for unknown words."""
    encoding = tokenizer(text, add_special_tokens=False)
    if not encoding["input_ids"]:
        raise PromptError("a prompt with at least one token was expected", found=repr(text))
    _refuse_unknown(tokenizer, text)
    return _with_first(tokenizer, tokenizer(text)["input_ids"])


def first_token(tokenizer: Any) -> int | None:
    """What stands first under the BOS policy; None when nothing does."""
    roles = (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((role for role in roles if role is not None), None)


def encode_chat(tokenizer: Any, text: str) -> list[int]:
    """Ids of a user's turn in the tokenizer's chat template. Raises PromptError when it has none."""
    if not tokenizer.chat_template:
        raise PromptError("a tokenizer with a chat template was expected", found="none", hint="leave out --chat")
    if not text.strip():
        raise PromptError("a prompt with at least one token was expected", found=repr(text))
    turns = [{"role": "user", "content": text}]
    rendered = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    _refuse_unknown(tokenizer, rendered)
    return _with_first(tokenizer, tokenizer(rendered, add_special_tokens=False)["input_ids"])


def token_id(tokenizer: Any | None, names: Sequence[str], text: str) -> int:
    """The one token that `text` names. Without a tokenizer a token's name is its number. Raises TargetError."""
    if tokenizer is None:
        if text.isdecimal() and int(text) < len(names):
            return int(text)
        raise TargetError(
            f"a token id below {len(names)} was expected, as this model has no tokenizer", found=repr(text)
        )
    vocabulary = tokenizer.get_vocab()
    if text in vocabulary:
        return vocabulary[text]
    for spelling in (text, f" {text}"):
        ids = tokenizer(spelling, add_special_tokens=False)["input_ids"]
        if len(ids) == 1 and not _unknown_words(tokenizer, spelling):
            return ids[0]
    unknown = _unknown_words(tokenizer, text)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    found = f"the unknown word {unknown[0]!r}" if unknown else f"{len(ids)} tokens for {text!r}"
    raise TargetError("one token of the model was expected", found=found)


def decode(tokenizer: Any | None, names: Sequence[str], ids: Sequence[int]) -> str:
    """The text of some ids, special tokens spelled out. Without a tokenizer, their names with spaces between them."""
    if tokenizer is None:
        return " ".join(names[i] for i in ids)
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _with_first(tokenizer: Any, ids: list[int]) -> list[int]:
    """The BOS policy."""
    first = first_token(tokenizer)
    if ids[0] not in special_ids(tokenizer):
        return ids if first is None else [first, *ids]
    while len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id:
        ids = ids[1:]
    return ids


def _refuse_unknown(tokenizer: Any, text: str) -> None:
    unknown = _unknown_words(tokenizer, text)
    if unknown:
        hint = "use words of its vocabulary"
        raise PromptError("words that the model knows were expected", found=", ".join(map(repr, unknown)), hint=hint)


def _unknown_words(tokenizer: Any, text: str) -> list[str]:
    """Pieces of the text that became the unknown token without being its name."""
    name = tokenizer.unk_token or getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    name = name if name is None or isinstance(name, str) else getattr(name, "unk_token", None)
    unknown = None if name is None else tokenizer.convert_tokens_to_ids(name)
    if unknown is None:
        return []
    if tokenizer.is_fast:
        encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        pieces = [
            text[start:end]
            for index, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True)
            if index == unknown
        ]
    else:
        pieces = [w for w in text.split() if unknown in tokenizer(w, add_special_tokens=False)["input_ids"]]
    return list(dict.fromkeys(piece for piece in pieces if piece.strip() and piece.strip() != name))


def as_tensor(ids: Sequence[int] | Tensor, *, n_tokens: int, context: int) -> Int[Tensor, " P"]:
    """Ids as a tensor. Raises PromptError when there are none, too many, or some that the model does not have."""
    ids = torch.as_tensor(ids, dtype=torch.int64).cpu()
    if ids.ndim != 1 or ids.numel() == 0:
        raise PromptError("a prompt with at least one token was expected", found=f"ids of shape {tuple(ids.shape)}")
    if len(ids) > context:
        raise PromptError(f"a prompt of at most {context} tokens was expected", found=f"{len(ids)} tokens")
    if int(ids.min()) < 0 or int(ids.max()) >= n_tokens:
        worst = ids[(ids < 0) | (ids >= n_tokens)][0]
        raise PromptError(f"token ids from 0 to {n_tokens - 1} were expected", found=str(int(worst)))
    return ids
