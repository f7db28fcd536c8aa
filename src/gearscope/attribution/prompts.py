"""Many prompts from one file: one on each line, or a template with what to put into it. No torch.

    calc : {a} + {b} =          a template is a first line with {names}; then a line for every name:
    a: 0..99                    whole numbers from .. to (both inside),
    b: 36 | 59                  or texts between bars

Every combination is a prompt, or a random sample of them. Lines that are empty or begin with # say nothing. Knows
nothing about models.
"""

import re
from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path
from random import Random

from gearscope.errors import ConfigError

_SLOT = re.compile(r"\{(\w+)\}")
_RANGE = re.compile(r"(-?\d+)\s*\.\.\s*(-?\d+)")
_MOST = 1_000_000
"""Combinations that are listed."""


def read_prompts(path: Path, *, most: int | None = None, seed: int = 0) -> tuple[str, ...]:
    """The prompts of a file, at most so many of them, drawn at random. Raises ConfigError."""
    expected = f"{path} should be a text file with a prompt on each line, or a template"
    lines = [line for line in lines_of(path, expected) if not line.startswith("#")]
    if not lines:
        raise ConfigError(expected, found="no prompt in it")
    if not _SLOT.search(lines[0]):
        return _drawn(lines, most, seed)
    return _filled(lines[0], _fillers(path, lines), most, seed)


def lines_of(path: Path, expected: str) -> list[str]:
    """The lines of a text file that hold something, stripped. Raises ConfigError, which says what was expected."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(expected, found="no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(expected, found="a file that cannot be read as text") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _fillers(path: Path, lines: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name -> texts, for every name of the template."""
    names = dict.fromkeys(_SLOT.findall(lines[0]))
    found: dict[str, tuple[str, ...]] = {}
    for line in lines[1:]:
        name, colon, rest = line.partition(":")
        name = name.strip()
        if not colon or name not in names or name in found:
            expected = f"a line `name: texts` for each of {', '.join(names)} was expected in {path}"
            raise ConfigError(expected, found=repr(line[:60]))
        found[name] = _texts(path, name, rest.strip())
    missing = [name for name in names if name not in found]
    if missing:
        raise ConfigError(
            f"a line for every name of the template was expected in {path}", found=f"none for {missing[0]}"
        )
    return {name: found[name] for name in names}


def _texts(path: Path, name: str, text: str) -> tuple[str, ...]:
    numbers = _RANGE.fullmatch(text)
    if numbers:
        first, last = int(numbers[1]), int(numbers[2])
        if not 0 <= last - first < _MOST:
            raise ConfigError(f"a range from a number to a larger one was expected for {name} in {path}", found=text)
        return tuple(str(number) for number in range(first, last + 1))
    texts = tuple(part.strip() for part in text.split("|") if part.strip())
    if not texts:
        raise ConfigError(f"texts were expected for {name} in {path}", found="none")
    return texts


def _filled(template: str, fillers: dict[str, tuple[str, ...]], most: int | None, seed: int) -> tuple[str, ...]:
    count = prod(len(texts) for texts in fillers.values())
    if most is None and count > _MOST:
        raise ConfigError(f"at most {_MOST:,} prompts were expected", found=f"{count:,}", hint="draw a sample")
    if most is None or most >= count:
        combinations = product(*fillers.values())
        return tuple(_fill(template, dict(zip(fillers, texts, strict=True))) for texts in combinations)
    prompts = []
    for number in sorted(Random(seed).sample(range(count), most)):
        chosen, left = {}, number
        for name, texts in fillers.items():
            left, at = divmod(left, len(texts))
            chosen[name] = texts[at]
        prompts.append(_fill(template, chosen))
    return tuple(prompts)


def _fill(template: str, texts: dict[str, str]) -> str:
    return _SLOT.sub(lambda slot: texts[slot[1]], template)


def _drawn(lines: Sequence[str], most: int | None, seed: int) -> tuple[str, ...]:
    if most is None or most >= len(lines):
        return tuple(lines)
    return tuple(lines[i] for i in sorted(Random(seed).sample(range(len(lines)), most)))
