"""SAEDashboard's `batch-N.json`: features of one dictionary with their activations, in one object.

What is odd there, and kept as it is: density and intervals were read back out of titles, so they are rounded; `*_l1`
are cosines; tokens that are no UTF-8 stand as their bytes' letters. Its `correlated_features_*` are of features too.
"""

from collections.abc import Iterator
from pathlib import Path

from gearscope.features.foreign.files import LIMITS, Fields, Limits, document
from gearscope.features.foreign.parsed import (
    ForeignExample,
    ForeignFeature,
    Source,
    example,
    kept,
    tokens_with_values,
)

FORMAT = "saedashboard"
NUMBERS = (
    "neuron_alignment_indices", "neuron_alignment_values", "neuron_alignment_l1", "correlated_neurons_indices",
    "correlated_neurons_l1", "correlated_neurons_pearson", "correlated_features_indices", "correlated_features_l1",
    "correlated_features_pearson", "freq_hist_data_bar_values", "freq_hist_data_bar_heights",
    "logits_hist_data_bar_values", "logits_hist_data_bar_heights", "decoder_weights_dist", "n_prompts_total",
    "n_tokens_in_prompt",
)  # fmt: skip
TEXTS = ("dataset",)


def read_batch(
    path: Path, limits: Limits = LIMITS
) -> Iterator[tuple[Source, ForeignFeature, Iterator[ForeignExample]]]:
    """The features of a batch, each with its examples. Raises ArtifactError."""
    whole = document(path, limits)
    suffix = whole.maybe_text("sae_id_suffix")
    layer, chosen = whole.whole("layer"), whole.text("sae_set")
    name = f"{layer}-{chosen}" + (f"__{suffix}" if suffix else "")
    for fields in whole.objects("features"):
        source = Source(whole.text("model_id"), name, layer, None, fields.maybe_text("dataset"))
        yield source, _feature(fields), _examples(fields)


def _feature(fields: Fields) -> ForeignFeature:
    vector = fields.numbers("vector")
    largest = max((float(one.numbers("values").max(initial=0)) for one in fields.objects("activations")), default=0.0)
    return ForeignFeature(
        index=fields.whole("feature_index"),
        density=fields.number("frac_nonzero"),
        largest=largest,
        promoted=tokens_with_values(fields, "pos_str", "pos_values"),
        suppressed=tokens_with_values(fields, "neg_str", "neg_values"),
        vector=vector if len(vector) else None,
        kept=kept(fields, NUMBERS, TEXTS),
    )


def _examples(fields: Fields) -> Iterator[ForeignExample]:
    for one in fields.objects("activations"):
        yield example(one, at="qualifying_token_index", low="bin_min", high="bin_max", share="bin_contains")
