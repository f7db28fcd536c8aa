"""Finished dictionaries are tuned in their model, so that it goes on as it would without them.

Training on recorded activations weighs every direction alike, and shows each layer what the plain model reads. Replaced
all at once, later layers read what earlier ones wrote, and some directions decide the next token. So at the end, on few
tokens, Adam lowers in all encoders, decoders and biases

    w · KL(plain ‖ replaced)  +  Σ_s ‖ŷ_s − y_s‖² / ‖y_s − mean y_s‖²

where the second sum is of the plain run, so that what is written stays what the layers write (after Karvonen 2025,
arXiv 2503.17272, which tunes SAEs so at the end of their training). Thresholds of a dictionary move by one factor,
which keeps as many features active as there were: roughly from step to step, and exactly at the end, on held-out text.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.corpus.windows import Corpus, Place, windows_for
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.training.train import Progress, Report
from gearscope.evaluation.replaced import replaced_logits
from gearscope.models.model import Model
from gearscope.recipes.config import TuningConfig

_TUNED = ("W_enc", "b_enc", "W_dec", "b_dec", "W_skip")
_WARMUP_STEPS = 20
_PULL = 0.1
"""How fast thresholds follow the number of active features."""
_REPORT_EVERY = 10
_HELD_OUT_TOKENS = 65_536
_LOWEST = 0.5
"""No threshold falls below this share of where tuning left it."""


def tune(
    model: Model,
    dictionaries: DictionarySet,
    corpora: tuple[Corpus, Corpus],
    config: TuningConfig,
    *,
    tokens_before: int = 0,
    progress: Report | None = None,
) -> DictionarySet:
    """The dictionaries, tuned on the first corpus; the second is held out.

    `tokens_before` is what progress counts from: the tokens of the training before.
    """
    train_on, held_out = corpora
    with torch.inference_mode(False), torch.enable_grad():
        tuner = _Tuner(model, dictionaries, train_on, config)
        for step in range(tuner.steps):
            tuner.step(step)
            if progress is not None and (step % _REPORT_EVERY == 0 or step + 1 == tuner.steps):
                progress(tuner.progress(step + 1, tokens_before))
        ids = held_out.take(windows_for(held_out, _HELD_OUT_TOKENS), None).ids
        return as_active(tuner.finished(), dictionaries, model, ids)


@torch.no_grad()
def as_active(tuned: DictionarySet, before: DictionarySet, model: Model, ids: Int[Tensor, "B P"]) -> DictionarySet:
    """Thresholds times a factor per dictionary with which as many features as before are active on these windows."""
    sites = list(dict.fromkeys(site for config in before.configs for site in config.reads))
    acts = {site: torch.cat(parts) for site, parts in _read(model, ids, sites).items()}
    made = []
    for old, new in zip(before.dictionaries, tuned.dictionaries, strict=True):
        if new.threshold is not None:
            x = torch.stack([acts[site] for site in old.config.reads], 1)
            wanted = len(old.encode(x).values)
            codes = replace(new, threshold=new.threshold * _LOWEST).encode(x)
            ratios = codes.values / new.threshold[codes.columns]
            if 0 < wanted < len(ratios):
                new = replace(new, threshold=new.threshold * ratios.topk(wanted).values[-1].nextafter(x.new_zeros(())))
        made.append(new)
    return replace(tuned, dictionaries=tuple(made))


def _read(model: Model, ids: Int[Tensor, "B P"], sites: Sequence[str]) -> dict[str, list[Tensor]]:
    """Plain activations of the windows, some windows at a time, without the first position."""
    found: dict[str, list[Tensor]] = {site: [] for site in sites}
    for some in ids.split(16):
        for site, acts in model.read(some.to(model.device), sites).items():
            found[site].append(acts[:, 1:].flatten(0, 1).float())
    return found


class _Tuner:
    """What changes from step to step."""

    def __init__(self, model: Model, dictionaries: DictionarySet, corpus: Corpus, config: TuningConfig) -> None:
        self.model, self.corpus, self.config = model, corpus, config
        self.set = replace(dictionaries, dictionaries=tuple(_trainable(d) for d in dictionaries.dictionaries))
        found = [tensor for d in self.set.dictionaries for tensor in _tuned(d).values()]
        self.optimizer = torch.optim.Adam(found, lr=0.0, betas=(0.9, 0.99))
        self.n_windows = windows_for(corpus, config.tune_batch)
        self.batch_tokens = self.n_windows * (corpus.context - 1)
        self.steps = max(1, config.tune_tokens // self.batch_tokens)
        self.sites = list(dict.fromkeys(site for c in dictionaries.configs for site in (*c.reads, *c.writes)))
        self.place: Place | None = None
        self.aimed: list[float] = []
        self.active: list[float] = []
        self.fired = [torch.zeros(c.n_features, dtype=torch.bool) for c in dictionaries.configs]
        self.nmse: dict[str, float] = {}
        self.loss = 0.0

    def step(self, number: int) -> None:
        """Read some windows and move the weights."""
        taken = self.corpus.take(self.n_windows, self.place)
        self.place, ids = taken.place, taken.ids.to(self.model.device)
        plain = self.model.run(ids, read=self.sites)
        errors = self._errors({site: acts[:, 1:].flatten(0, 1).float() for site, acts in plain.sites.items()})
        loss = self.config.kl_weight * self._divergence(plain.logits, ids) + torch.stack(list(errors.values())).sum()
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.tune_rate * min(1, (number + 1) / _WARMUP_STEPS) * (1 - number / self.steps)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._follow()
        self.loss = float(loss.detach())
        self.nmse = {site: float(error.detach()) for site, error in errors.items()}

    def _divergence(self, plain: Float[Tensor, "B P V"], ids: Int[Tensor, "B P"]) -> Float[Tensor, ""]:
        found = replaced_logits(self.model, self.set, ids, differentiable=True)
        expected, got = (logits[:, 1:].float().log_softmax(-1) for logits in (plain, found))
        return (expected.exp() * (expected - got)).sum(-1).mean()

    def _errors(self, acts: dict[str, Tensor]) -> dict[str, Tensor]:
        """NMSE of what is written for plain activations, by site; counts what fires on the way."""
        written: dict[str, Tensor] = {}
        active = []
        for dictionary, fired in zip(self.set.dictionaries, self.fired, strict=True):
            x = torch.stack([acts[site] for site in dictionary.config.reads], 1)
            codes = dictionary.encode(x)
            active.append(len(codes.values) / len(x))
            fired[codes.columns.cpu()] = True
            out = dictionary.write(x, codes)
            for number, site in enumerate(dictionary.config.writes):
                written[site] = written.get(site, 0) + out[:, number]
        self.aimed = self.aimed or active
        self.active = _mixed(self.active or active, active)
        return {site: _nmse(acts[site], found) for site, found in written.items()}

    @torch.no_grad()
    def _follow(self) -> None:
        """Thresholds rise where more features are active than before, and fall where fewer are."""
        for dictionary, aimed, active in zip(self.set.dictionaries, self.aimed, self.active, strict=True):
            if dictionary.threshold is not None and aimed:
                dictionary.threshold.mul_(math.exp(_PULL * (active / aimed - 1)))

    def progress(self, steps_done: int, tokens_before: int) -> Progress:
        """For a callback; dead is what has not fired since tuning began."""
        return Progress(
            tokens_done=tokens_before + steps_done * self.batch_tokens,
            tokens=tokens_before + self.steps * self.batch_tokens,
            loss=self.loss,
            nmse=self.nmse,
            l0=sum(self.active) / len(self.active),
            dead=float((~torch.cat(self.fired)).float().mean()),
        )

    def finished(self) -> DictionarySet:
        """The dictionaries, without a graph."""
        made = [
            replace(d, **{name: tensor.detach() for name, tensor in _tuned(d).items()}) for d in self.set.dictionaries
        ]
        return replace(self.set, dictionaries=tuple(made))


def _trainable(dictionary: Dictionary) -> Dictionary:
    """A copy in float32, whose weights collect gradients."""
    copied = {name: tensor.float().clone() for name, tensor in dictionary.tensors().items()}
    made = replace(dictionary, **copied, max_activation=None, density=None, mapped=False)
    for tensor in _tuned(made).values():
        tensor.requires_grad_(True)
    return made


def _tuned(dictionary: Dictionary) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in dictionary.tensors().items() if name in _TUNED}


def _mixed(before: Sequence[float], now: Sequence[float]) -> list[float]:
    """A running mean."""
    return [0.9 * a + 0.1 * b for a, b in zip(before, now, strict=True)]


def _nmse(y: Float[Tensor, "P D"], found: Float[Tensor, "P D"]) -> Float[Tensor, ""]:
    return (y - found).square().sum() / (y - y.mean(0)).square().sum()
