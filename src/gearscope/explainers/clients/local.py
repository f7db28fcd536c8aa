"""A causal language model from a folder on this disk, in this process: nothing leaves the machine.

No token is forbidden while it writes: its text is read by the schema, and where that fails it is told so and asked once
more. Small models often fail twice; such calls are counted like those of any other host.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gearscope.errors import ModelError
from gearscope.explainers.answers import in_words, read_answer
from gearscope.explainers.config import CallConfig
from gearscope.explainers.protocol import A, CallFailedError, Message, Usage

Write = Callable[[Sequence[Message]], tuple[str, Usage]]
"""The next turn of a conversation, and what it took."""
_AGAIN = "That was not JSON of the schema. Answer again, with the JSON alone."


class LocalClient:
    """Asks a model in this process, one call at a time."""

    def __init__(self, write: Write) -> None:
        self._write, self._lock = write, threading.Lock()

    def complete(self, messages: Sequence[Message], schema: type[A]) -> tuple[A, Usage | None]:
        """Ask, and once more where the text is not of the schema. Raises CallFailedError."""
        first = messages[0]._replace(content=f"{messages[0].content}\n\n{in_words(schema)}")
        turns, used = [first, *messages[1:]], Usage(0, 0)
        with self._lock:
            for _ in range(2):
                text, usage = self._write(turns)
                used = Usage(used.input + usage.input, used.output + usage.output)
                try:
                    return read_answer(text, schema), used
                except CallFailedError:
                    turns += [Message("assistant", text), Message("user", _AGAIN)]
        raise CallFailedError("malformed", f"JSON of {schema.__name__} was expected, twice", usage=used)


def written_by(folder: Path, config: CallConfig, device: str) -> Write:
    """A writer from a HuggingFace folder: its chat template where it has one, the likeliest token each time.

    Raises ModelError when the folder holds no causal language model in safetensors.
    """
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"a causal language model in safetensors was expected in {folder}", found=str(error)[:200]
        ) from error
    model = model.to(device).eval()
    longest = getattr(model.config, "max_position_embeddings", None) or 10**9

    def write(turns: Sequence[Message]) -> tuple[str, Usage]:
        ids = _ids(tokenizer, turns).to(device)
        room = min(config.max_tokens, longest - ids.shape[1])
        if room <= 0:
            raise CallFailedError("bad request", f"a prompt of {ids.shape[1]} tokens; the model reads {longest}")
        with torch.no_grad():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=room, do_sample=False)
        new = out[0, ids.shape[1] :]
        return tokenizer.decode(new, skip_special_tokens=True), Usage(ids.shape[1], len(new))

    return write


def _ids(tokenizer: Any, turns: Sequence[Message]) -> torch.Tensor:
    if getattr(tokenizer, "chat_template", None):
        told = [turn._asdict() for turn in turns]
        return tokenizer.apply_chat_template(told, add_generation_prompt=True, return_tensors="pt", return_dict=True)[
            "input_ids"
        ]
    plain = "\n\n".join(f"{turn.role}: {turn.content}" for turn in turns) + "\n\nassistant:"
    return tokenizer(plain, return_tensors="pt")["input_ids"]
