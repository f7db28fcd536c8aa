import pytest

import gearscope.errors as errors


def tree_of(docstring: str) -> list[str]:
    return [word for line in docstring.splitlines() for word in line.split() if word.endswith("Error")]


def test_every_error_is_a_gearscope_error_and_is_drawn_in_the_tree():
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(issubclass(cls, errors.GearscopeError) for cls in classes)
    assert sorted(cls.__name__ for cls in classes) == sorted(tree_of(errors.__doc__ or ""))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "a file was expected."),
        ({"found": "a folder"}, "a file was expected; found a folder."),
        ({"found": "a folder.", "hint": "name a file."}, "a file was expected; found a folder; name a file."),
        ({"hint": "name a file"}, "a file was expected; name a file."),
    ],
)
def test_one_sentence_says_what_was_expected_what_was_found_and_what_to_do(arguments, sentence):
    assert str(errors.PromptError("a file was expected.", **arguments)) == sentence
