"""Whatever code the source can give for leaving something out, reports have words for it in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from pipelines.frames.types import BadFrameCode
from pipelines.report.words import REASONS, WHY_NOT, name
from pipelines.road.ortho.observe import BESIDE


def constants(tree: ast.Module) -> dict[str, str]:
    """Module constants that are texts: `NAME: Final = "text"` and `NAME = "text"`."""
    found = {}
    for line in tree.body:
        if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant):
            target = line.targets[0] if isinstance(line, ast.Assign) else line.target
            if isinstance(target, ast.Name) and isinstance(line.value.value, str):
                found[target.id] = line.value.value
    return found


def said(value: ast.expr | None, known: dict[str, str]) -> str | None:
    if isinstance(value, ast.Constant):
        return str(value.value)
    return known.get(value.id) if isinstance(value, ast.Name) else None


def emitted(tree: ast.Module) -> Iterator[str | None]:
    """The codes in `BadFrame(code, …)`, `{"reason": code}`, `f(reason=code)` and `reason[…] = code`."""
    known = constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "BadFrame":
                yield said(node.args[0], known)
            yield from (said(word.value, known) for word in node.keywords if word.arg == "reason")
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            yield from (said(value, known) for key, value in pairs if said(key, {}) == "reason")
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            place = node.targets[0].value
            if isinstance(place, ast.Name) and place.id == "reason":
                yield said(node.value, known)


@pytest.fixture(scope="module")
def codes(checkout: Path) -> set[str]:
    files = [path for room in ("geo", "models", "pipelines") for path in sorted((checkout / room).rglob("*.py"))]
    found = {code for path in files for code in emitted(ast.parse(path.read_text(encoding="utf-8")))}
    return {code for code in found if code} | set(get_args(BadFrameCode))


def test_no_code_of_the_source_is_without_words(codes):
    # One of each way to give a code: were the search blind to one of them, the rest would prove nothing.
    assert {"truncated", "no_time", "outside_track", "other_shape", "jump", "out_of_range"} <= codes
    assert codes - set(REASONS) == set()


def test_no_words_are_kept_for_codes_that_nothing_gives(codes):
    assert set(REASONS) - codes == set()


def test_words_differ_between_codes_and_languages():
    for words in zip(*REASONS.values(), strict=True):
        assert len(set(words)) == len(REASONS)
    assert all(ja != en for ja, en in REASONS.values())
    assert name(REASONS, "other_shape", "en") == "picture of another shape"


def test_why_a_box_was_not_placed_has_words_for_every_code(checkout: Path):
    """Codes are `why[…] = code`, but for the roads' edge, which is a constant of its own."""
    code = ast.parse((checkout / "pipelines/road/observe.py").read_text(encoding="utf-8"))
    given = {
        line.value.value
        for line in ast.walk(code)
        if isinstance(line, ast.Assign)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.targets[0], ast.Subscript)
        and isinstance(line.targets[0].value, ast.Name)
        and line.targets[0].value.id.startswith("why")
    }
    assert {*given, BESIDE} == set(WHY_NOT)
