"""Maps become forms of text, with the places at which a swap moves the answer."""

from random import Random

from gearscope.evaluation.forms import forms_of
from gearscope.organism.truth.maps import InterchangeMap
from gearscope.organism.truth.registry import variable_named
from gearscope.organism.world.phenomena import draw
from gearscope.organism.world.two_hops import write_chain


def moved_at(title, role, *, counted=10):
    """A map after whose first block a swap at one role moves everything, and nothing else does anything."""
    variable = variable_named(title)
    place = variable.roles.index(role)
    rows = tuple(tuple(counted * (depth > 0 and i == place) for i in range(len(variable.roles))) for depth in range(3))
    nothing = tuple((0,) * len(variable.roles) for _ in range(3))
    return InterchangeMap(
        phenomenon=variable.phenomenon,
        name=variable.name,
        roles=variable.roles,
        intended=(),
        asked=counted,
        base_right=counted,
        source_right=counted,
        counted=counted,
        controlled=0,
        first=0,
        moved=rows,
        kept=nothing,
        control=nothing,
        whole=(counted,) * 3,
    )


def test_a_form_has_the_words_that_all_prompts_share_and_the_carrying_places():
    (form,) = forms_of([moved_at("two_hops/state", "is")], "two_hops")
    assert form.words == ("the", None, "of", "the", "state", "containing", None, None, "is")
    assert form.places == {"is": 8}
    assert form.fits(write_chain("dal las"))
    assert not form.fits(write_chain("dal las", kind="chain_quiz"))


def test_a_map_is_about_the_variable_that_its_name_begins_with():
    (form,) = forms_of([moved_at("two_hops/state_in_quiz", "question_mark")], "two_hops")
    assert [form.is_about(variable) for variable in ("state", "city", "sta")] == [True, False, False]


def test_maps_that_count_nothing_or_carry_nothing_have_no_form():
    assert forms_of([moved_at("two_hops/state", "is", counted=0)], "two_hops") == ()
    assert forms_of([moved_at("two_hops/state", "is")], "names") == ()


def test_documents_of_the_world_have_the_form():
    (form,) = forms_of([moved_at("hints/verdict", "is 2")], "hints")
    rng = Random(0)
    texts = [draw("hints", "train", rng, "computed_hint") for _ in range(60)]
    assert 0 < sum(form.fits(text) for text in texts) < len(texts)
