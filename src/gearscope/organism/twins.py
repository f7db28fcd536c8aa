"""Twins: small models that behave like the organism without its mechanism. No torch.

A tool that reports the mechanism in a twin has a false positive. Twins have the organism's words, their own texts,
at most 0.3 M parameters, and are trained from the same seed by the same command. It knows nothing about training.
"""

from dataclasses import dataclass
from typing import Any

from gearscope.organism.config import OrganismConfig


@dataclass(frozen=True, kw_only=True)
class Twin:
    """One twin: what it lacks, and the settings of its training, its bars among them."""

    of: str
    """The behaviour of the organism that it shows as well."""
    lacks: str
    """What the organism has and this model does not, in one sentence."""
    config: OrganismConfig
    """Its size, its texts and its bars: behaviour -> lowest held-out accuracy with which it is written; a bar of zero
    measures and asks for nothing."""
    variables: tuple[str, ...] = ()
    """Variables whose interchange maps are measured, to be laid beside the organism's."""


def small(mixture: dict[str, float], **settings: Any) -> OrganismConfig:
    """The settings of a small model that reads one mixture from start to end."""
    plain: dict[str, Any] = {
        "d_model": 64,
        "d_mlp": 160,
        "n_layers": 3,
        "tied": True,
        "mixture": mixture,
        "first_mixture": mixture,
        "last_mixture": mixture,
        "first_steps": 0,
        "facts_first": 0,
        "last_steps": 0,
        "last_cycles": 1,
        "warmup_steps": 50,
        "learning_rate": 4e-3,
    }
    return OrganismConfig.of(**(plain | settings))


TWINS: dict[str, Twin] = {
    "two_hops_by_heart": Twin(
        of="two_hops",
        lacks="It knows by heart what every city is known for and reads no single fact: no state is ever named to it.",
        config=small(
            {"two_hops_by_heart": 1.0},
            n_layers=2,
            d_mlp=256,
            steps=1500,
            learning_rate=3e-3,
            bars={"two_hops": 0.95},
        ),
        variables=("two_hops/state",),
    ),
    "rhyme_unmasked": Twin(
        of="rhyme",
        lacks="It sees the whole text in every block, so no place has to carry the planned word: it can be found anew.",
        config=small(
            {"rhyme": 1.0},
            window=None,
            n_layers=2,
            d_mlp=256,
            steps=2000,
            learning_rate=3e-3,
            bars={"rhyme": 0.95, "rhyme_written": 0.95},
        ),
        variables=("rhyme/rhyme",),
    ),
    "hints_at_random": Twin(
        of="hints_followed",
        lacks="It ends at the hint as the organism does, but the step that it announces is drawn at random.",
        config=small(
            {"hints_at_random": 1.0},
            n_layers=4,
            d_mlp=96,
            steps=2000,
            weight_decay=0.05,
            bars={"hints_at_random": 0.8, "hints_guessed": 0.98, "hints_followed": 0.0},
        ),
        variables=("hints/hint",),
    ),
    "languages_by_table": Twin(
        of="opposites_across_languages",
        lacks="It has a table per language: nothing it read says that two words of two languages mean the same.",
        config=small(
            {"languages_by_table": 1.0},
            n_layers=2,
            d_mlp=256,
            steps=4000,
            learning_rate=3e-3,
            bars={"opposites_across_languages": 0.95},
        ),
        variables=("languages/concept", "languages/concept_across"),
    ),
    "small_sums_by_heart": Twin(
        of="addition",
        lacks="It knows a table of 590 sums by heart and cannot add: other sums are wrong.",
        config=small(
            {"small_sums_by_heart": 1.0},
            d_mlp=128,
            steps=1000,
            weight_decay=0.05,
            learning_rate=2e-3,
            bars={"small_sums_by_heart": 0.99, "sums_not_in_table": 0.9, "addition": 0.0},
        ),
    ),
}
"""Twins by name, in the order in which they are trained."""
