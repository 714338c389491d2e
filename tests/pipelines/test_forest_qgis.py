"""The stand map opened in a real QGIS from an unpacked and renamed folder, and printed."""

import datetime as dt
import json
import subprocess
import unicodedata
import zipfile
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pypdf
import pytest
from flying_twice import NORTH, WEST, Flight, flown_twice, patches, seen_by, wood
from PIL import Image, ImageColor
from stand_maps import StandMap

from geo.geopackage import write_geopackage
from geo.styles import OKABE_ITO
from pipelines.forest.change import Change
from pipelines.forest.layers import forest_layer

pytestmark = pytest.mark.qgis

PYTHON = "/usr/bin/python3"
PROBE = Path(__file__).parent.parent / "qgis" / "project_probe.py"
# The system's Python must not see this one's packages.
CLEAN = {"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "LANG": "C.UTF-8", "XDG_RUNTIME_DIR": "/tmp"}
LAYERS = ("tops", "crowns", "stands", "gaps", "mesh20m", "rejected", "survey_extent")
VIEW = [WEST, NORTH - 200, WEST + 240, NORTH]
JA, EN = "A3横 日本語", "A3 landscape, English"


@cache
def _has_qgis() -> bool:
    ask = [PYTHON, "-c", "from qgis.core import Qgis"]
    return Path(PYTHON).exists() and not subprocess.run(ask, env=CLEAN, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def told(stand_map: StandMap, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What QGIS says of the bundle, unpacked under another name, its files alone."""
    if not _has_qgis():
        pytest.skip("QGIS with its Python bindings is not installed (make qgis-test installs it)")
    folder = tmp_path_factory.mktemp("elsewhere") / "別の 名前"
    with zipfile.ZipFile(stand_map.published.bundle) as archive:
        archive.extractall(folder)
    out = tmp_path_factory.mktemp("printed")
    asked, answer = out / "request.json", out / "answer.json"
    own = {name: f"{folder / 'forest.gpkg'}|layername={name}" for name in LAYERS}
    request = {"project": str(folder / "forest.qgz"), "out": str(out), "own_styles": own}
    asked.write_text(json.dumps(request), encoding="utf-8")
    command = [PYTHON, str(PROBE), str(asked), str(answer)]
    run = subprocess.run(command, env={**CLEAN, "HOME": str(out)}, capture_output=True, check=False, timeout=300)
    assert answer.exists(), run.stderr.decode(errors="replace")
    return {**json.loads(answer.read_text(encoding="utf-8")), "folder": str(folder)}


def _layer(told: dict, table: str) -> dict:
    return told["layers"][f"michisora_layer_{table}"]


def test_the_project_opens_where_it_was_unpacked_without_a_bad_layer(told: dict, stand_map: StandMap) -> None:
    assert (told["opened"], told["error"]) == (True, "")
    assert len(told["layers"]) == len(LAYERS) + 1
    for one in told["layers"].values():
        assert one["valid"], one
        assert one["crs"] == "EPSG:6677"
        assert one["source"].startswith(told["folder"])
    assert _layer(told, "crowns")["features"] == len(stand_map.results.crowns)
    assert _layer(told, "stands")["features"] == 12


def test_title_crs_first_view_and_relative_paths_are_the_surveys(told: dict, stand_map: StandMap) -> None:
    assert told["title"] == "林分図 Stand map 午前の森.tif"
    assert told["crs"] == "EPSG:6677"
    assert told["absolute_paths"] is False
    west, south, east, north = told["view"]
    bounds = stand_map.results.extent.total_bounds
    np.testing.assert_allclose([west, south, east, north], bounds, atol=1.0)


def test_layers_lie_in_groups_in_the_order_they_are_drawn_in(told: dict) -> None:
    order = [key.removeprefix("michisora_layer_") for key in told["order"]]
    assert order == [*LAYERS, "michisora_picture_forest_photo"]
    assert [group[0] for group in told["tree"]] == [
        "樹木 Trees",
        "林分 Stands",
        "メッシュ Mesh",
        "調査 Survey",
        "背景 Background",
    ]
    ticked = {name: shown for _, layers in told["tree"] for name, shown in layers}
    assert (ticked["林分 Stands"], ticked["20mメッシュ 20 m mesh"]) == (True, False)


def test_every_layer_looks_as_the_geopackage_alone_would_look(told: dict) -> None:
    for name in LAYERS:
        project, own = (ElementTree.fromstring(xml) for xml in (_layer(told, name)["style"], told["own_styles"][name]))
        assert _drawn(project) == _drawn(own), name


def _drawn(renderer: ElementTree.Element) -> list[tuple[str, list[tuple[str, str]]]]:
    """Classes and the properties of their symbols, without the ids that QGIS makes up."""
    assert renderer.find(".//layer/Option") is not None
    listed = [one for one in renderer.iter() if one.tag in {"category", "range", "Option", "renderer-v2"}]
    return [(one.tag, sorted(item for item in one.attrib.items() if item[0] not in {"uuid", "id"})) for one in listed]


def test_columns_have_names_in_both_languages_and_stands_a_map_tip(told: dict) -> None:
    stands = _layer(told, "stands")
    assert stands["aliases"]["stem_density_ha"] == "立木密度 本/ha (Stems per hectare)"
    assert "立木密度 本/ha (Stems per hectare)" in stands["tip"]
    assert _layer(told, "crowns")["from_scale"] == 4000


def test_sheets_are_a3_across_at_a_round_scale_with_bars_that_follow_the_map(told: dict) -> None:
    assert sorted(told["sheets"]) == sorted([JA, EN])
    for sheet in told["sheets"].values():
        assert sheet["printed"]
        assert sheet["page_mm"] == [420, 297]
        assert sheet["scale"] == pytest.approx(500, rel=1e-6)
        assert sorted(sheet["bars"]) == [["Numeric", True], ["Single Box", True]]


def test_legends_name_layers_and_classes_in_one_language(told: dict) -> None:
    ja, en = (dict(told["sheets"][name]["legend"]) for name in (JA, EN))
    assert list(ja) == ["調査範囲", "樹冠", "林分 立木密度 本/ha", "林冠ギャップ"]
    assert list(en) == ["Survey extent", "Crowns", "Stands: stems per hectare", "Canopy gaps"]
    assert ja["樹冠"] == ["画像と樹冠高モデル"]
    assert en["Crowns"] == ["Image and height model"]
    assert ja["林分 立木密度 本/ha"] == en["Stands: stems per hectare"]
    assert ja["林分 立木密度 本/ha"][0] == "0–100"


def test_nothing_on_a_sheet_covers_another_thing_or_leaves_the_page(told: dict) -> None:
    for sheet in told["sheets"].values():
        boxes = {name: box for name, box in sheet["boxes"].items() if name != "page"}
        for name, (x, y, wide, tall) in boxes.items():
            assert x >= 0, name
            assert y >= 0, name
            assert x + wide <= 420, name
            assert y + tall <= 297, name
        pairs = [(a, b) for a in boxes for b in boxes if a < b]
        assert [pair for pair in pairs if _overlap(boxes[pair[0]], boxes[pair[1]])] == []


def _overlap(one: list[float], other: list[float]) -> bool:
    apart = [one[k] + one[k + 2] <= other[k] + 0.01 or other[k] + other[k + 2] <= one[k] + 0.01 for k in (0, 1)]
    return not any(apart)


def test_the_printed_map_shows_borders_crowns_and_the_photograph(told: dict) -> None:
    sheet = told["sheets"][JA]
    page = Image.open(sheet["png"]).convert("RGB")
    part = np.asarray(page.crop(_pixels(page, sheet["boxes"]["map"])), np.int32)
    assert _share(part, (0, 114, 178), 12) > 0.004, "borders of stands, blue"
    assert _share(part, (230, 159, 0), 30) > 0.004, "crowns, orange"
    assert _share(part, (255, 255, 255), 2) < 0.5, "what was not photographed is less than half of the frame"
    across = part[part.shape[0] // 2]
    assert len(np.unique(across.reshape(-1, 3) // 16, axis=0)) > 30, "a photograph, not a flat colour"


def test_every_part_of_a_sheet_has_ink(told: dict) -> None:
    for sheet in told["sheets"].values():
        page = Image.open(sheet["png"]).convert("RGB")
        for name, box in sheet["boxes"].items():
            part = np.asarray(page.crop(_pixels(page, box)), np.int32)
            assert (part.min(axis=-1) < 128).mean() > 0.002, name


def test_the_printed_sheet_says_what_it_is_worth_and_what_it_is_made_of(told: dict) -> None:
    said = {
        JA: ("林分図", "2026-05-01", "凡例", "数値の確かさ", "40 本/ha", "1:500", "オルソ画像", "調査範囲"),
        EN: ("Stand map", "2026-05-01", "Legend", "What the figures are worth", "40 stems/ha", "1:500", "Orthophoto"),
    }
    for name, words in said.items():
        (page,) = pypdf.PdfReader(told["sheets"][name]["pdf"]).pages
        # Letters that were joined (ﬁ) are two again.
        text = "".join(unicodedata.normalize("NFKC", page.extract_text()).split())
        assert [word for word in words if "".join(unicodedata.normalize("NFKC", word).split()) not in text] == [], text


def _pixels(page: Image.Image, box: list[float]) -> tuple[int, int, int, int]:
    scale = page.width / 420
    x, y, wide, tall = box
    return round(x * scale), round(y * scale), round((x + wide) * scale), round((y + tall) * scale)


def _share(part: np.ndarray, colour: tuple[int, int, int], off: int) -> float:
    return float((np.abs(part - colour).max(axis=-1) <= off).mean())


@pytest.fixture(scope="module")
def after_damage(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Image.Image, Change]:
    """Crowns with their types and what was lost since an earlier flight, as QGIS opens and draws them."""
    if not _has_qgis():
        pytest.skip("QGIS with its Python bindings is not installed (make qgis-test installs it)")
    trees = wood(600)
    damage = patches(trees.wide_m, trees.high_m, [0.25])
    gone, flight = trees.within(damage), Flight(0.8, seed=1)
    change = flown_twice(trees, gone, Flight(0.8), flight)
    second = seen_by(trees.without(gone), flight)
    types = np.resize(np.array(["conifer", "broadleaf", "unknown"], object), len(second))
    crowns = second.assign(type=types, type_probability=0.9)
    folder = tmp_path_factory.mktemp("changes")
    tables = [forest_layer("changes", change.areas), forest_layer("crowns", crowns)]
    write_geopackage(folder / "forest.gpkg", tables, dt.date(2026, 5, 1))
    picture = {"path": folder / "map.png", "width": 1200, "height": 1000, "extent": VIEW}
    request = {"geopackage": folder / "forest.gpkg", "layers": ["changes", "crowns"], "tip": ["changes", 1]}
    asked, answer = folder / "request.json", folder / "answer.json"
    asked.write_text(json.dumps({**request, "picture": picture}, default=str), encoding="utf-8")
    command = [PYTHON, str(PROBE.with_name("probe.py")), str(asked), str(answer)]
    run = subprocess.run(command, env={**CLEAN, "HOME": str(folder)}, capture_output=True, check=False, timeout=300)
    assert answer.exists(), run.stderr.decode(errors="replace")
    return json.loads(answer.read_text(encoding="utf-8")), Image.open(folder / "map.png").convert("RGB"), change


def test_what_was_lost_is_drawn_where_it_was_and_says_how_sure_it_is(after_damage) -> None:
    told, page, change = after_damage
    layer = told["layers"]["changes"]
    assert layer["valid"] and layer["crs"] == "EPSG:6677" and layer["features"] == len(change.areas) >= 1
    assert [one["label"] for one in layer["legend"]] == ["樹冠消失 Canopy loss"]
    assert layer["fields"]["confidence"]["alias"] == "確からしさ (Confidence)" and layer["labels"] == "change"
    assert "確からしさ (Confidence)" in told["tip"]
    drawn = np.asarray(page, np.int32)
    purple = np.abs(drawn - (204, 121, 167)).max(axis=-1) <= 12
    columns, rows = np.flatnonzero(purple.any(axis=0)), np.flatnonzero(purple.any(axis=1))
    metre = page.width / (VIEW[2] - VIEW[0])
    seen = [
        VIEW[0] + columns[0] / metre,
        VIEW[3] - rows[-1] / metre,
        VIEW[0] + columns[-1] / metre,
        VIEW[3] - rows[0] / metre,
    ]
    np.testing.assert_allclose(seen, change.areas.total_bounds, atol=1)


def test_crowns_have_the_colour_of_their_type(after_damage) -> None:
    told, page, _ = after_damage
    layer = told["layers"]["crowns"]
    assert layer["column"] == "type"
    assert [one["value"] for one in layer["legend"]] == ["conifer", "broadleaf", "unknown"]
    assert [label for label, _ in layer["fields"]["type"]["choices"]] == [one["label"] for one in layer["legend"]]
    drawn = np.asarray(page, np.int32)
    for name in ("green", "yellow", "grey"):
        assert _share(drawn, ImageColor.getrgb(OKABE_ITO[name]), 12) > 0.003, name
