"""Styles become QML that says what they say."""

from xml.etree import ElementTree

import pytest

from geo.styles import (
    Categorized,
    Category,
    Choice,
    Form,
    Graduated,
    Labels,
    MapTip,
    Range,
    Single,
    Symbol,
    categories,
    distinct,
    to_qml,
)

STATUS = (
    Choice("open", "未対応", "Open"),
    Choice("planned", "補修予定", "Planned"),
    Choice("done", "補修済み", "Done"),
)
CHOICES = (Choice("a", "甲", "A & <b>"), Choice("b", "乙", "B"))


def _root(style: Single | Categorized | Graduated, **more: object) -> ElementTree.Element:
    return ElementTree.fromstring(to_qml(style, **more))


def _layer_options(symbol: ElementTree.Element) -> dict[str, str]:
    return {option.attrib["name"]: option.attrib["value"] for option in symbol.findall("layer/Option/Option")}


@pytest.mark.parametrize(("kind", "count"), [("point", 8), ("line", 5), ("polygon", 8)])
def test_every_class_has_a_colour_and_a_shape_of_its_own(kind: str, count: int) -> None:
    symbols = distinct(kind, count)
    assert len({symbol.colour for symbol in symbols}) == count
    assert len({symbol.shape for symbol in symbols}) == count


def test_more_classes_than_the_eye_can_tell_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="told apart"):
        distinct("point", 9)


def test_categories_carry_value_label_and_symbol_and_survive_markup() -> None:
    root = _root(Categorized("point", "class", categories("point", CHOICES), other=Symbol("#999999", "circle")))
    renderer = root.find("renderer-v2")
    assert (renderer.attrib["type"], renderer.attrib["attr"]) == ("categorizedSymbol", "class")
    listed = [(c.attrib["value"], c.attrib["label"]) for c in renderer.findall("categories/category")]
    assert listed == [("a", "甲 A & <b>"), ("b", "乙 B"), ("", "その他 Other")]
    options = [_layer_options(symbol) for symbol in renderer.findall("symbols/symbol")]
    assert [(o["color"], o["name"]) for o in options] == [
        ("213,94,0,255", "circle"),
        ("0,114,178,255", "square"),
        ("153,153,153,255", "circle"),
    ]


def test_sizes_follow_the_ground_within_what_the_eye_can_see() -> None:
    symbol = Symbol("#000000", "circle", size_m=4, min_mm=2, max_mm=5)
    options = _layer_options(_root(Single("point", symbol)).find("renderer-v2/symbols/symbol"))
    assert options["size"] == "4"
    assert options["size_unit"] == "RenderMetersInMapUnits"
    assert options["size_map_unit_scale"] == "3x:0,0,1,2,1,5"


def test_ranges_keep_their_bounds_and_order() -> None:
    ranges = tuple(Range(k, k + 1, "", str(k), Symbol("#000000")) for k in (2, 0, 1))
    listed = _root(Graduated("line", "mci", ranges)).findall("renderer-v2/ranges/range")
    assert [float(one.attrib["lower"]) for one in listed] == [2, 0, 1]
    assert [one.attrib["symbol"] for one in listed] == ["0", "1", "2"]


def test_the_form_lists_choices_in_japanese_and_english_and_closes_other_columns() -> None:
    form = Form(choices={"status": STATUS}, editable=("status",), labels=Labels("rank", shown_from_scale=5000))
    style = Single("point", Symbol("#000000", "circle"), form)
    root = _root(style, columns=["rank", "status"], aliases={"rank": ("順位", "Rank"), "status": ("状態", "")})
    shown = {alias.attrib["field"]: alias.attrib["name"] for alias in root.findall("aliases/alias")}
    assert shown == {"rank": "順位 (Rank)", "status": "状態"}
    edits = {field.attrib["name"]: field.attrib["editable"] for field in root.findall("editable/field")}
    assert edits == {"rank": "0", "status": "1"}
    listed = root.findall(".//editWidget[@type='ValueMap']/config/Option/Option/Option/Option")
    assert [(o.attrib["name"], o.attrib["value"]) for o in listed] == [(c.label, c.value) for c in STATUS]
    assert root.find("labeling/settings/rendering").attrib["scaleMax"] == "5000"


@pytest.mark.parametrize("colour", ["red", "#FFF", "#12345", "#GGGGGG", "#ABCDEF"])
def test_a_colour_that_is_none_is_refused(colour: str) -> None:
    with pytest.raises(ValueError, match="not a colour"):
        Symbol(colour)


def test_contradictory_classes_are_refused() -> None:
    twice = (Category(CHOICES[0], Symbol("#000000")), Category(CHOICES[0], Symbol("#ffffff")))
    with pytest.raises(ValueError, match="repeat"):
        Categorized("point", "class", twice)
    with pytest.raises(ValueError, match="out of order"):
        Graduated("line", "mci", (Range(2, 1, "", "", Symbol("#000000")),))


def test_the_same_style_is_the_same_text() -> None:
    style = Categorized("point", "class", categories("point", CHOICES), form=Form(choices={"s": STATUS}))
    assert to_qml(style, ["s"], {}) == to_qml(style, ["s"], {})
    assert to_qml(style, ["s"], {}).startswith("<!DOCTYPE qgis")


def test_a_style_is_well_formed_whatever_columns_are_called() -> None:
    style = Single("polygon", Symbol("#56b4e9"), Form(editable=(), tip=MapTip("a", ("b\x07",))))
    assert _root(style, columns=("a", "b\x07")).find("mapTip") is not None
