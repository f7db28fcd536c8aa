"""All formats, in the order in which a folder is tried. A new one is a file beside this one, and a line here."""

from gearscope.dictionaries.formats import (
    circuit_tracer,
    dictionary_learning,
    gemma_scope,
    gemma_scope_2,
    own,
    saelens,
    sparsify,
)
from gearscope.dictionaries.formats.format import Format
from gearscope.errors import ConfigError

FORMATS: tuple[Format, ...] = (
    own.FORMAT,
    circuit_tracer.FORMAT,
    saelens.FORMAT,
    sparsify.FORMAT,
    dictionary_learning.FORMAT,
    gemma_scope_2.FORMAT,
    gemma_scope.FORMAT,
)


def by_name(name: str) -> Format:
    """The format of this name. Raises ConfigError."""
    found = next((form for form in FORMATS if form.name == name), None)
    if found is None:
        known = ", ".join(form.name for form in FORMATS)
        raise ConfigError(f"a format was expected ({known})", found=repr(name))
    return found
