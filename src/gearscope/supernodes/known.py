"""What a feature library says of a graph's features, as plain data: co-firing and labels. No torch.

It knows nothing about groups.
"""

from collections.abc import Mapping

from gearscope.errors import ConfigError, TargetError
from gearscope.features.records import CoFiring
from gearscope.features.store import Library
from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureId
from gearscope.supernodes.likeness import Known, features_of

_NEURONS = "neurons"


def known_features(graph: AttributionGraph, library: Library) -> Known:
    """Co-firing and labels of the features of a graph. Raises ConfigError for a library of other dictionaries."""
    _check_belongs(graph, library)
    range_ = graph.layout.features
    wanted = dict.fromkeys(features_of(graph, range(range_.start, range_.stop)))
    numbers: dict[FeatureId, int] = {}
    for feature in wanted:
        try:
            numbers[feature] = library.number(feature)
        except TargetError:
            continue  # an imported library may have some of the features only
    cofiring: dict[FeatureId, Mapping[FeatureId, float]] = {}
    for feature, number in numbers.items():
        record = library.record(number, examples=False)
        if record.fired:
            cofiring[feature] = {other.feature: _cosine(other, library, number) for other in record.cofiring}
    shown = library.notes.shown(list(numbers.values()))
    labels = {feature: shown[number].text for feature, number in numbers.items() if number in shown}
    return Known(cofiring=cofiring, labels=labels)


def _cosine(other: CoFiring, library: Library, number: int) -> float:
    """both / √(one · two), where the library counted: |one ∪ two| = both / Jaccard."""
    one = float(library.columns["cofiring_fired"][number])
    two = other.count / other.jaccard - one + other.count if other.jaccard > 0 else 0.0
    return min(1.0, other.count / (one * two) ** 0.5) if one > 0 and two > 0 else 0.0


def _check_belongs(graph: AttributionGraph, library: Library) -> None:
    """Fingerprints of model and dictionaries, where both say them."""
    certificate = graph.details.get("certificate")
    made_with = certificate.get("inputs") if isinstance(certificate, dict) else None
    if not isinstance(made_with, dict):
        return
    for part, own in (("model", made_with.get("model")), ("dictionaries", made_with.get("dictionaries", _NEURONS))):
        other = library.inputs.get(part)
        if other is not None and own is not None and other != own:
            hint = "build a library of the graph's own basis, or leave --library out"
            raise ConfigError(f"a library of the graph's own {part} was expected ({own})", found=other, hint=hint)
