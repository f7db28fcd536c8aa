"""An interchange map as a table for the terminal: a row per layer, the last one on top, a column per role. No torch."""

from gearscope.organism.truth.maps import InterchangeMap

_SHOWN = 0.01
"""Share that a role must move at some layer for its column to be shown; a role of the design always is."""
_RAIL = 10


def table_text(table: InterchangeMap) -> str:
    """Percent of the pairs that each swap moves."""
    columns = [place for place in range(len(table.roles)) if _is_shown(table, place)]
    names = [*(table.roles[place] for place in columns), "all"]
    widths = [max(5, len(name) + 2) for name in names]
    lines = [
        f"{table.title}  {counts_text(table)}",
        f"{'blocks':<{_RAIL}}" + "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True)),
    ]
    for layer in reversed(table.layers):
        whole = table.whole[layer] / table.counted if table.counted else 0.0
        shares = [*(table.moves(layer, place) for place in columns), whole]
        lines.append(f"{layer:<{_RAIL}}" + "".join(f"{100 * s:{w}.0f}" for s, w in zip(shares, widths, strict=True)))
    hidden = len(table.roles) - len(columns)
    if hidden:
        lines.append(f"{'':<{_RAIL}}  the other {hidden} positions move less than {_SHOWN:.0%}")
    return "\n".join(lines)


def counts_text(table: InterchangeMap) -> str:
    """How many pairs count, and what chance would move."""
    places = [(layer, place) for layer in table.layers for place in range(len(table.roles))]
    chance = max(table.by_chance(*place) for place in places)
    control = f"a foreign state moves at most {chance:.0%}" if table.controlled else "no control"
    return f"{table.counted} of {table.asked} pairs right on both sides, {control}"


def _is_shown(table: InterchangeMap, place: int) -> bool:
    moves = max(table.moves(layer, place) for layer in table.layers)
    return moves >= _SHOWN or table.roles[place] in table.intended
