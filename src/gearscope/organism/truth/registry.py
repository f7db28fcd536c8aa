"""Every variable that has an interchange map, in the order of the table. No torch."""

from gearscope.errors import ConfigError
from gearscope.organism.truth import (
    acronyms,
    addition,
    concepts,
    grammar,
    hints,
    languages,
    names,
    rhyme,
    self_report,
    two_hops,
)
from gearscope.organism.truth.swap import Variable

_MODULES = (addition, self_report, hints, two_hops, names, languages, rhyme, acronyms, concepts, grammar)
VARIABLES: tuple[Variable, ...] = tuple(variable for module in _MODULES for variable in module.VARIABLES)


def variable_named(title: str) -> Variable:
    """The variable of a title such as `addition/ones_sum`. Raises ConfigError naming the known ones."""
    known = {variable.title: variable for variable in VARIABLES}
    if title not in known:
        raise ConfigError(f"a variable was expected (one of {', '.join(known)})", found=repr(title))
    return known[title]
