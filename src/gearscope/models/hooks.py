"""Sites read, written and frozen during one forward pass, through plain forward hooks that are always taken away again.

    with hooked(anatomy, read=[...], edits=[...], freeze=Frozen(...)) as sites:
        anatomy.forward(ids)          # `sites` fills up: what stood at each place, after edits

Frozen things come first, then edits, then reading, so what is read is what the model went on with. With everything
frozen, the model is affine in its embeddings and in what is added at any `mlp_out`. The residual stream before the
MLP's norm has no module of its own: it is overwritten in place, because the model adds it again after the MLP (where
the MLP is parallel to attention there is no such site).
It knows nothing about tokens, caches or what is done with the readings.
"""

from collections.abc import Callable, Container, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from gearscope.errors import ConfigError
from gearscope.ids import SiteId
from gearscope.models.anatomy import Anatomy
from gearscope.models.attention import Tap, tapped
from gearscope.models.frozen import FrozenNorm, FrozenPrompt
from gearscope.models.mlp import ExpertWeights
from gearscope.models.routing import Change, ExpertTap
from gearscope.models.sites import Edit, Place, place


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """What is held at a record's values: attention patterns, norm scales, routing, and MLP outputs of `mlp_layers`.

    Norms of queries and keys act inside the pattern and are held with it. Prompts run under it have the record's
    length. `mlp_layers=None` holds every layer's.
    """

    record: FrozenPrompt
    patterns: bool = True
    norms: bool = True
    routing: bool = True
    """Which experts the MLPs use, and with which weights."""
    mlp_layers: Container[int] | None = None


class AllRead(Exception):  # noqa: N818
    """Ends a forward pass behind the last site that is read; caught by who asked for it."""


@contextmanager
def hooked(
    anatomy: Anatomy,
    *,
    read: Sequence[SiteId | str] = (),
    edits: Sequence[Edit] = (),
    freeze: Frozen | None = None,
    offset: int = 0,
    batched: bool = True,
    stop: bool = False,
) -> Generator[dict[str, Tensor]]:
    """Read, write and freeze during the forward passes inside the block; yields the readings by name of site.

    `offset` is the absolute position of the first token; without `batched`, readings and the functions of edits have
    no batch axis. With `stop`, the pass ends with AllRead as soon as everything is read. Raises ConfigError for a site
    or module that does not exist.
    """
    sites: dict[str, Tensor] = {}
    places = {str(name): locate(anatomy, name) for name in read}
    edited = [(edit, place(anatomy, edit.site)) for edit in edits]
    with ExitStack() as stack:
        taps = _Taps(anatomy, stack)
        if freeze is not None:
            _freeze(taps, freeze)
        for edit, where in edited:
            taps.attach(where, partial(_edit, edit, where, offset, batched))
        for name, where in places.items():
            taps.attach(where, partial(_keep, sites, name, where, batched))
            if stop:
                taps.attach(where, partial(_stop, sites, len(places)))
        taps.install()
        yield sites


def locate(anatomy: Anatomy, name: SiteId | str) -> Place:
    """The place of a site, or of a module given by its own path. Raises ConfigError naming the known sites."""
    if isinstance(name, SiteId):
        return place(anatomy, name)
    try:
        return place(anatomy, SiteId.parse(name))
    except ConfigError:
        modules = dict(anatomy.hf.named_modules())
        if name not in modules or not name:
            raise
        return Place(name, modules[name], "output")


def on_input(stack: ExitStack, module: nn.Module, change: Change) -> None:
    """Show the module's first input to `change` until the stack is closed."""
    stack.callback(module.register_forward_pre_hook(partial(_input_hook, change), with_kwargs=True).remove)


def on_output(stack: ExitStack, module: nn.Module, change: Change) -> None:
    """Show the module's (first) output to `change` until the stack is closed."""
    stack.callback(module.register_forward_hook(partial(_output_hook, change)).remove)


def _input_hook(
    change: Change, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    name = None if args else next(iter(kwargs))
    new = change(args[0] if name is None else kwargs[name])
    if new is None:
        return None
    return ((new, *args[1:]), kwargs) if name is None else (args, {**kwargs, name: new})


def _output_hook(change: Change, _: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
    if isinstance(output, ModelOutput):
        new = change(output["logits"])
        if new is not None:
            output["logits"] = new
        return output
    new = change(output[0] if isinstance(output, tuple) else output)
    if new is None:
        return None
    return (new, *output[1:]) if isinstance(output, tuple) else new


class _Taps:
    """What is shown and changed during one run: hooks at once, patterns and experts collected until `install`."""

    def __init__(self, anatomy: Anatomy, stack: ExitStack) -> None:
        self.anatomy = anatomy
        self.stack = stack
        self._patterns: dict[nn.Module, Tap] = {}
        self._experts: dict[nn.Module, ExpertTap] = {}

    def attach(self, where: Place, change: Change) -> None:
        """Show what stands at a place to `change`, after everything attached there before."""
        match where.side:
            case "input":
                on_input(self.stack, where.module, change)
            case "output":
                on_output(self.stack, where.module, change)
            case "pattern":
                self.pattern(where.module, Tap(through=change))
            case "routing":
                self.experts(where.module).routing.append(change)
            case "neurons":
                self.experts(where.module).neurons.append(change)

    def pattern(self, module: nn.Module, tap: Tap) -> None:
        """Add to what happens to one attention pattern."""
        self._patterns[module] = self._patterns.get(module, Tap()).then(tap)

    def experts(self, mlp: nn.Module) -> ExpertTap:
        """What happens to the experts of one MLP, to be added to."""
        if mlp not in self._experts:
            layer = next(i for i, parts in enumerate(self.anatomy.blocks) if parts.mlp.module is mlp)
            parts, weights = self.anatomy.blocks[layer], self.anatomy.neurons(layer)
            assert isinstance(weights, ExpertWeights)
            assert parts.router is not None
            assert parts.experts is not None
            self._experts[mlp] = ExpertTap(
                mlp=mlp, router=parts.router.module, experts=parts.experts.module, weights=weights
            )
        return self._experts[mlp]

    def install(self) -> None:
        """Put in place what was collected."""
        for tap in self._experts.values():
            tap.attach(self.stack)
        if self._patterns:
            self.stack.enter_context(tapped(self.anatomy.hf, self._patterns))


def _edit(edit: Edit, where: Place, offset: int, batched: bool, x: Tensor) -> Tensor | None:
    old = where.take(x.clone() if where.shared else x)
    new = edit.apply(old if batched else old[0], where, offset)
    return _write(where, x, new if batched else new[None])


def _keep(sites: dict[str, Tensor], name: str, where: Place, batched: bool, x: Tensor) -> Tensor | None:
    graph = x.requires_grad and torch.is_grad_enabled()
    value = where.take(x.clone() if graph and where.shared else x)
    sites[name] = value = value if batched else value[0]
    # The rest of the model has to depend on the very tensor that was handed out, or it would have no gradient there.
    return _write(where, x, value if batched else value[None]) if graph else None


def _stop(sites: dict[str, Tensor], wanted: int, _: Tensor) -> None:
    if len(sites) == wanted:
        raise AllRead


def _write(where: Place, x: Tensor, value: Tensor) -> Tensor | None:
    """The module's tensor with the site's value replaced; None where that happened in place."""
    whole = where.put(x, value)
    if not where.shared:
        return whole
    x.copy_(whole)
    return None


def _freeze(taps: _Taps, freeze: Frozen) -> None:
    record, anatomy, stack = freeze.record, taps.anatomy, taps.stack
    for layer, (parts, block) in enumerate(zip(anatomy.blocks, record.blocks, strict=True)):
        if freeze.patterns:
            taps.pattern(parts.attn.module, Tap(replay=block.attn.pattern))
        if freeze.routing and block.routing is not None:
            taps.experts(parts.mlp.module).routing.append(partial(_constant, block.routing))
        if freeze.mlp_layers is None or layer in freeze.mlp_layers:
            on_output(stack, parts.mlp.module, partial(_constant, block.mlp_out))
        if freeze.norms:
            frozen = (block.attn_norm, block.attn_post_norm, block.mlp_norm, block.mlp_post_norm)
            for part, norm in zip(parts.norms(), [n for n in frozen if n is not None], strict=True):
                replace_norm(stack, part.module, norm.to)
    if freeze.norms:
        replace_norm(stack, anatomy.final_norm.module, record.final_norm.to)


def replace_norm(stack: ExitStack, module: nn.Module, make: Callable[[Tensor], FrozenNorm]) -> None:
    """Let a norm return what `make(its input)` gives for that input, row by row of the batch, all axes but one flat."""
    seen: list[Tensor] = []
    on_input(stack, module, seen.append)
    on_output(stack, module, partial(_frozen_output, seen, make))


def _frozen_output(seen: list[Tensor], make: Callable[[Tensor], FrozenNorm], _: Tensor) -> Tensor:
    rows = []
    for x in seen.pop():
        vectors = x.flatten(0, -2)
        norm = make(vectors)
        y = norm.linear(vectors)
        rows.append((y if norm.bias is None else y + norm.bias).view_as(x))
    return torch.stack(rows)


def _constant(value: Tensor, x: Tensor) -> Tensor:
    return value.to(x).expand_as(x)
