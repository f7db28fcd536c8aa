"""Activations on disk: read from the model once, trained on many times.

    manifest.json                kind "activations": sites, tokens, precision; the model and the corpus they are from
    block_00000.safetensors      acts [tokens, planes, D]: one block of the live stream, shuffled as it was there
    block_00001.safetensors      ...
    held_out.safetensors         acts [tokens, sites, D] of held-out text, in its order

The first reading through a cache in float32 gives the batches that the live stream gives, bit for bit; each later one
takes the blocks, and the tokens within them, in another order. Blocks are written one by one, whole or not at all, so a
harvest that was killed goes on behind the last of them. No pickles. Knows nothing about what is learnt from them.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gearscope.activations.blocks import Blocks
from gearscope.activations.stream import ActivationStream
from gearscope.artifact import alone_in, read_manifest, unwritable, write_manifest, write_text
from gearscope.config import fingerprint
from gearscope.errors import ArtifactError, ConfigError

KIND = "activations"
HELD_OUT = "held_out.safetensors"
STATE = "state.json"
Precision = Literal["float32", "float16"]
_STORED = {"float32": torch.float32, "float16": torch.float16}
Report = Callable[[int, int], None]
"""Called with the tokens written and the tokens to write."""


def write_cache(
    out: Path,
    stream: ActivationStream,
    held_out: Iterator[Float[Tensor, "P M D"]],
    *,
    tokens: int,
    precision: Precision = "float32",
    inputs: dict[str, str],
    progress: Report | None = None,
    resume: bool = False,
) -> None:
    """Read whole blocks until there are `tokens`, then the held-out ones, and write the folder `out`.

    While it runs they are in the folder `<out>.run`. Raises ArtifactError when `out` exists, when an unfinished harvest
    is in the way (or, with `resume`, none is there or it is another one), and when the disk is full.
    """
    if out.exists():
        raise ArtifactError(f"a new folder was expected at {out}", found="one that exists", hint="choose another --out")
    folder = out.with_name(f"{out.name}.run")
    run = fingerprint([stream.fingerprint, precision])
    try:
        with alone_in(folder):
            count, done = _begin(folder, stream, run, resume=resume)
            while done < tokens:
                block = stream.block()
                _save(folder / _name(count), block, precision)
                count, done = count + 1, done + len(block)
                state = {"run": run, "blocks": count, "tokens": done, "place": stream.place()}
                write_text(folder / STATE, json.dumps(state))
                if progress is not None:
                    progress(done, max(tokens, done))
            _save(folder / HELD_OUT, torch.cat(list(held_out)), precision)
            (folder / STATE).unlink()
        config = {
            "sites": list(stream.sites),
            "tangents": list(stream.tangents),
            "blocks": count,
            "tokens": done,
            "precision": precision,
            "stream": stream.fingerprint,
        }
        write_manifest(folder, KIND, config=config, inputs=inputs)
        folder.rename(out)
    except OSError as error:
        raise unwritable(out, error) from error


def _begin(folder: Path, stream: ActivationStream, run: str, *, resume: bool) -> tuple[int, int]:
    """Blocks and tokens that are there already; the stream goes on behind them."""
    path = folder / STATE
    if resume != path.is_file():
        hint = "start without --resume" if resume else "go on with --resume, or remove it"
        expected = "an unfinished harvest" if resume else "no unfinished harvest"
        raise ArtifactError(f"{expected} was expected at {folder}", found="none" if resume else "one", hint=hint)
    if not resume:
        return 0, 0
    state = json.loads(path.read_text(encoding="utf-8"))
    if state["run"] != run:
        hint = "give what it was begun with, or harvest into another folder"
        raise ArtifactError(
            f"a harvest of this model, corpus and settings was expected at {folder}", found="another", hint=hint
        )
    stream.go_to(state["place"])
    return state["blocks"], state["tokens"]


def _name(number: int) -> str:
    return f"block_{number:05d}.safetensors"


def _save(path: Path, acts: Float[Tensor, "P M D"], precision: Precision) -> None:
    scratch = path.with_name(f".{path.name}")
    try:
        save_file({"acts": acts.to(_STORED[precision]).cpu().contiguous()}, scratch)
        scratch.replace(path)
    except (OSError, SafetensorError) as error:
        scratch.unlink(missing_ok=True)
        raise unwritable(path, error if isinstance(error, OSError) else OSError(str(error))) from error


class CachedStream(Blocks):
    """Batches of stored activations without end, on the device on which they are wanted.

    Raises ArtifactError, and ConfigError for sites that it has not.
    """

    def __init__(
        self,
        folder: Path,
        sites: Sequence[str],
        *,
        tangents: Sequence[int] = (),
        shuffle_seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self._device = device
        manifest = read_manifest(folder, KIND)
        self.inputs: dict[str, str] = manifest["inputs"]
        self._config: dict[str, Any] = manifest["config"]
        self._folder, self._seed = folder, shuffle_seed
        stored = self._config["sites"]
        missing = [site for site in sites if site not in stored]
        missing += [f"slopes of layer {layer}" for layer in tangents if layer not in self._config["tangents"]]
        if missing:
            hint = f"stored are {', '.join(stored)}"
            raise ConfigError(f"{folder} should hold {', '.join(sites)}", found=f"no {', '.join(missing)}", hint=hint)
        slopes = [len(stored) + 2 * self._config["tangents"].index(layer) + i for layer in tangents for i in (0, 1)]
        self._sites = [stored.index(site) for site in sites]
        self._planes = self._sites + slopes
        self._epoch, self._number = 0, 0

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with anything that decides the batches."""
        config = self._config
        return fingerprint([config["stream"], config["blocks"], config["precision"], self._planes, self._seed])

    @property
    def tokens(self) -> int:
        """Tokens that are stored, the held-out ones not counted."""
        return self._config["tokens"]

    def held_out(self, batch_tokens: int) -> Iterator[Float[Tensor, "P M D"]]:
        """The held-out tokens in parts, sites only."""
        parts = self._stored(HELD_OUT)[:, self._sites].float().split(batch_tokens)
        return (part.to(self._device) for part in parts)

    def _advance(self) -> None:
        self._number += 1
        if self._number == self._config["blocks"]:
            self._epoch, self._number = self._epoch + 1, 0

    def _where(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "number": self._number}

    def _move(self, where: dict[str, Any]) -> None:
        self._epoch, self._number = where["epoch"], where["number"]

    def _read(self) -> Float[Tensor, "P M D"]:
        number, draw = self._number, None
        if self._epoch:
            blocks = torch.randperm(self._config["blocks"], generator=self._drawn("blocks"))
            number, draw = int(blocks[self._number]), self._drawn(self._number)
        block = self._stored(_name(number))[:, self._planes].float()
        return (block if draw is None else block[torch.randperm(len(block), generator=draw)]).to(self._device)

    def _drawn(self, what: str | int) -> torch.Generator:
        return torch.Generator().manual_seed(int(fingerprint([self._seed, self._epoch, what]), 16) % 2**63)

    def _stored(self, name: str) -> Float[Tensor, "P M D"]:
        path = self._folder / name
        try:
            with safe_open(path, framework="pt") as stored:
                acts = stored.get_tensor("acts")
        except (OSError, SafetensorError) as error:
            raise ArtifactError(f"{path} should be a whole block of activations", found=str(error)) from error
        return acts
