"""Files and functions stay small enough to be read at once: a sign, not a law; exceptions are named with reasons."""

import ast
import io
import tokenize
from collections.abc import Iterator

from tests.house.tree import CODE, name_of, parse, python_files

FILE_LINES = 400
FUNCTION_CODE_LINES = 60

EXCEPTIONS: dict[str, str] = {
    # "path" or "path::function": "why it is better long"
}

_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that hold code: no blank lines, no comments."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    spans = [range(t.start[0], t.end[0] + 1) for t in tokens if t.type not in _NO_CODE]
    return {line for span in spans for line in span}


def function_sizes(source: str) -> Iterator[tuple[str, int]]:
    """Each function's name and its number of code lines, signature included, docstring not."""
    lines = code_lines(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                own -= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
            yield node.name, len(own & lines)


def too_large() -> dict[str, int]:
    found = {}
    for path in python_files(*CODE):
        source = path.read_text(encoding="utf-8")
        lines = source.count("\n")
        if lines > FILE_LINES:
            found[name_of(path)] = lines
        sizes = function_sizes(source)
        found |= {f"{name_of(path)}::{name}": size for name, size in sizes if size > FUNCTION_CODE_LINES}
    return found


def test_files_and_functions_are_small_or_named_as_exceptions():
    unnamed = {name: size for name, size in too_large().items() if name not in EXCEPTIONS}
    assert not unnamed, "an idea wants its own room, or an exception with its reason in EXCEPTIONS"


def test_every_exception_is_still_needed_and_has_a_reason():
    assert set(EXCEPTIONS) <= set(too_large())
    assert all(len(reason.split()) >= 4 for reason in EXCEPTIONS.values())


def test_comments_blank_lines_and_docstrings_do_not_count():
    source = 'def f(a):\n    """One.\n\n    Two.\n    """\n\n    # why\n    b = [\n        a,\n    ]\n    return b\n'
    assert dict(function_sizes(source)) == {"f": 5}


def test_every_module_opens_with_what_it_is():
    silent = [name_of(path) for path in python_files("src", "benchmarks") if not ast.get_docstring(parse(path))]
    assert not silent
