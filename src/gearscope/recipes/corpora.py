"""Text for a model, cut with its own tokenizer: a path on disk, a data set on the hub, or the organism's world."""

from pathlib import Path
from typing import Any

from gearscope.corpus.store import TextFiles
from gearscope.corpus.streamed import PREFIX as HUB
from gearscope.corpus.streamed import HubTexts
from gearscope.corpus.windows import Corpus, Split, TextCorpus, windows_for
from gearscope.errors import ConfigError, ModelError
from gearscope.models.model import Model
from gearscope.models.tokens import first_token
from gearscope.organism.corpus import WorldCorpus
from gearscope.organism.world.vocabulary import VOCABULARY
from gearscope.recipes.config import WORLD

LONGEST = 128
"""Tokens of a window where no context is set and the model can read more."""


def open_corpus(name: str, model: Model, split: Split, context: int | None) -> Corpus:
    """A corpus for a model, one side of it. Raises ConfigError, ModelError, ArtifactError."""
    length = min(LONGEST, model.context) if context is None else context
    if length > model.context:
        raise ConfigError(f"a context of at most {model.context} tokens was expected", found=str(length))
    if name == WORLD:
        check_world(model)
        return WorldCorpus(split, length)
    tokenizer: Any = model.tokenizer
    if tokenizer is None:
        raise ModelError("a model with a tokenizer was expected, to read text", found="none")

    def encode(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    first, between = first_token(tokenizer), tokenizer.eos_token_id
    texts = HubTexts.parse(name) if name.startswith(HUB) else TextFiles(Path(name))
    return TextCorpus(texts, encode, context=length, first=first, between=between, split=split)


def open_sides(name: str, model: Model, context: int | None, needed: int) -> tuple[Corpus, Corpus]:
    """What is trained on, and what is measured on. Raises as `open_corpus`, ConfigError for too little text.

    Checked before anything is read for long: `needed` tokens, one batch, must be there without reading a text twice.
    """
    train_on, held_out = (open_corpus(name, model, side, context) for side in ("train", "held_out"))
    whole = train_on.take(windows_for(train_on, needed), None).whole
    if whole is not None:
        hint = "give a corpus of more texts, or a smaller --set batch_tokens=..."
        raise ConfigError(f"text of {needed:,} tokens or more was expected in {name}", found=f"{whole:,}", hint=hint)
    held_out.take(1, None)
    return train_on, held_out


def check_world(model: Model) -> None:
    """Raise ModelError unless the model reads the words of the organism's world."""
    tokenizer = model.tokenizer
    words = () if tokenizer is None else tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    if tuple(words) != VOCABULARY:
        hint = "give --corpus a text file or a folder of them"
        raise ModelError("a model with the words of the organism's world was expected", found="other words", hint=hint)
