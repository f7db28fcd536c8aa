"""gearscope in `training.py`: its trainer on stored activations, or live from the model. See `training_shared.py`."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from measure import Laps
from safetensors.torch import load_file
from training_data import config_for, layout_for, reader
from training_shared import batches, begin, finish, training_tokens

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.training.train import Source, train


class Stored:
    """A source of the stored activations, in their order."""

    fingerprint = "stored"

    def __init__(self, acts: torch.Tensor, settings: dict, laps: Laps) -> None:
        self._acts, self._size, self._batches = acts, settings["batch"], batches(acts, settings, laps)

    def sample(self) -> torch.Tensor:
        return self._acts[: self._size]

    def take(self, n_tokens: int) -> torch.Tensor:
        assert n_tokens == self._size
        return next(self._batches)

    def place(self) -> str:
        return ""

    def go_to(self, place: str) -> None:
        raise NotImplementedError


class Marked:
    """A stream that marks where a batch is asked for."""

    def __init__(self, stream: Source, laps: Laps) -> None:
        self._stream, self._laps = stream, laps
        self.fingerprint = stream.fingerprint

    def sample(self) -> torch.Tensor:
        return self._stream.sample()

    def place(self) -> str:
        return self._stream.place()

    def go_to(self, place: str) -> None:
        self._stream.go_to(place)

    def take(self, n_tokens: int) -> torch.Tensor:
        self._laps.mark()
        return self._stream.take(n_tokens)


def common(made: DictionarySet) -> dict[str, torch.Tensor]:
    """The weights under the common names; what several dictionaries add to a site's bias is summed."""
    targets = list(dict.fromkeys(site for config in made.configs for site in config.writes))
    found = {"b_dec": torch.zeros(len(targets), made.d_model)}
    for number, dictionary in enumerate(made.dictionaries):
        found[f"W_enc.{number}"] = dictionary.W_enc.flatten(1)
        found[f"b_enc.{number}"] = dictionary.b_enc
        found[f"W_dec.{number}"] = dictionary.W_dec.flatten(1)
        for place, site in enumerate(dictionary.config.writes):
            found["b_dec"][targets.index(site)] += dictionary.b_dec[place]
    return found


def main() -> None:
    folder, out, settings = begin()
    case = settings["case"]
    kind = "clt" if case == "clt" else "sae"
    config = config_for(case, settings)
    layout = layout_for(config)
    held_out = load_file(folder / f"{kind}.safetensors")["held_out"].unflatten(-1, (1, -1))[: settings["batch"]]
    held_out = held_out.flatten(1, 2) if kind == "clt" else held_out
    made: Callable[[Laps], Source]
    if case == "live":
        stream = reader(folder, layout.sites)
        made = lambda laps: Marked(stream, laps)  # noqa: E731
    else:
        acts = training_tokens(folder, kind, settings)
        acts = acts if kind == "clt" else acts[:, None]
        made = lambda laps: Stored(acts, settings, laps)  # noqa: E731
    laps = Laps()
    with tempfile.TemporaryDirectory() as scratch, torch.inference_mode():
        trained = train(config, layout, made(laps), [held_out], Path(scratch) / "run")
    finish(out, common(trained), laps.found())


if __name__ == "__main__":
    main()
