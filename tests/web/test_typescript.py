import pytest
from pydantic import BaseModel

from gearscope.web.typescript import _interface as interface
from gearscope.web.typescript import render
from tests.house.tree import REPOSITORY


def test_the_pages_types_are_those_of_the_server():
    stored = (REPOSITORY / "frontend" / "src" / "api" / "types.ts").read_text(encoding="utf-8")
    assert stored == render(), "make types"


def test_what_a_schema_says_in_typescript():
    class One(BaseModel):
        name: str
        many: list[int | None] = []
        table: dict[str, float]

    text = interface("One", One.model_json_schema())
    assert text == (
        "\nexport interface One {\n  name: string;\n  many?: (number | null)[];\n  table: Record<string, number>;\n}\n"
    )


def test_what_is_not_understood_is_an_error_not_a_wrong_type():
    with pytest.raises(KeyError):
        interface("Odd", {"properties": {"x": {"type": "unheard"}}})
