"""What the project writes, opened in a real QGIS."""

import datetime as dt
import json
import re
import subprocess
from functools import cache
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from PIL import Image
from shapely import LineString, Point, box

from geo.geopackage import Layer, read_layer, write_geopackage
from geo.styles import (
    Categorized,
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
)

pytestmark = pytest.mark.qgis

CRS = "EPSG:6677"
PYTHON = "/usr/bin/python3"
PROBE = Path(__file__).parent.parent / "qgis" / "probe.py"
# The system's Python must not see this one's packages.
CLEAN = {"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "LANG": "C.UTF-8", "XDG_RUNTIME_DIR": "/tmp"}

STATUS = (
    Choice("open", "未対応", "Open"),
    Choice("planned", "補修予定", "Planned"),
    Choice("done", "補修済み", "Done"),
)
CLASSES = (
    Choice("D00", "縦ひび", "Longitudinal"),
    Choice("D20", "亀甲状", "Alligator"),
    Choice("D40", "穴", "Pothole"),
)
EXTENT = (-10.0, -10.0, 90.0, 40.0)
WIDTH, HEIGHT = 1000, 500


@cache
def _qgis_version() -> str | None:
    if not Path(PYTHON).exists():
        return None
    ask = [PYTHON, "-c", "from qgis.core import Qgis; print(Qgis.QGIS_VERSION)"]
    told = subprocess.run(ask, env=CLEAN, capture_output=True, text=True, check=False)
    return told.stdout.strip() if told.returncode == 0 else None


@pytest.fixture(autouse=True)
def _needs_qgis() -> None:
    if _qgis_version() is None:
        pytest.skip("QGIS with its Python bindings is not installed (make qgis-test installs it)")


def _probe(folder: Path, **request: object) -> dict:
    asked, answer = folder / "request.json", folder / "answer.json"
    asked.write_text(json.dumps(request, default=str), encoding="utf-8")
    command = [PYTHON, str(PROBE), str(asked), str(answer)]
    env = {**CLEAN, "HOME": str(folder)}
    told = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert answer.exists(), told.stderr
    return json.loads(answer.read_text(encoding="utf-8"))


def _defects() -> Layer:
    frame = gpd.GeoDataFrame(
        {
            "uuid": ["a", "b", "c"],
            "rank": pd.array([1, 2, None], dtype="Int32"),
            "class": ["D40", "D20", "D00"],
            "status": ["open", "open", "open"],
            "first_seen": [dt.date(2024, 4, 1), dt.date(2024, 4, 2), None],
            "photo": ["photos/a.jpg", "photos/b.jpg", "photos/c.jpg"],
        },
        geometry=[Point(0, 0), Point(40, 0), Point(80, 0)],
        crs=CRS,
    )
    form = Form(
        choices={"status": STATUS},
        editable=("status",),
        sort_by="rank",
        labels=Labels("rank"),
        tip=MapTip("class", ("status",), "photo"),
    )
    aliases = {"rank": ("順位", "Rank"), "status": ("状態", "Status")}
    style = Categorized("point", "class", categories("point", CLASSES), form=form)
    return Layer("defects", frame, style, "損傷", "Defects", aliases)


def _sections() -> Layer:
    good, bad = distinct("line", 2)
    lines = [LineString([(0, 20), (40, 20)]), LineString([(40, 20), (80, 20)])]
    frame = gpd.GeoDataFrame({"mci": [8.0, 2.5]}, geometry=lines, crs=CRS)
    ranges = (Range(0, 3, "要補修", "Repair", bad), Range(3, 10, "良好", "Sound", good))
    return Layer("sections", frame, Graduated("line", "mci", ranges))


def _coverage() -> Layer:
    frame = gpd.GeoDataFrame({"seen": [True]}, geometry=[box(0, 28, 20, 36)], crs=CRS)
    return Layer("coverage", frame, Single("polygon", Symbol("#56b4e9", "solid", outline="#000000")))


@pytest.fixture
def product(tmp_path: Path) -> Path:
    path = tmp_path / "製品.gpkg"
    write_geopackage(path, [_defects(), _sections(), _coverage()], dt.date(2024, 5, 1))
    return path


def test_qgis_opens_every_layer_with_the_style_it_was_written_with(product: Path, tmp_path: Path) -> None:
    told = _probe(tmp_path, geopackage=product, layers=["defects", "sections", "coverage"])["layers"]
    assert all(layer["valid"] and layer["crs"] == CRS for layer in told.values())
    defects, sections = told["defects"], told["sections"]
    assert (defects["renderer"], defects["column"], defects["features"]) == ("categorizedSymbol", "class", 3)
    expected = [(c.value, c.label, s.colour, s.shape) for c, s in zip(CLASSES, distinct("point", 3), strict=True)]
    assert [(c["value"], c["label"], c["colour"], c["shape"]) for c in defects["legend"]] == expected
    assert (sections["renderer"], sections["column"]) == ("graduatedSymbol", "mci")
    assert [one["value"] for one in sections["legend"]] == [[0, 3], [3, 10]]
    assert told["coverage"]["legend"][0]["colour"] == "#56b4e9"


def test_qgis_shows_aliases_choices_and_types_and_guards_what_people_must_not_edit(
    product: Path, tmp_path: Path
) -> None:
    defects = _probe(tmp_path, geopackage=product, layers=["defects"])["layers"]["defects"]
    fields = defects["fields"]
    assert fields["rank"]["alias"] == "順位 (Rank)"
    assert (fields["rank"]["type"], fields["first_seen"]["type"], fields["uuid"]["type"]) == (
        "Integer",
        "Date",
        "String",
    )
    assert fields["status"]["choices"] == [[c.label, c.value] for c in STATUS]
    assert [name for name, field in fields.items() if not field["read_only"]] == ["fid", "status"]
    assert (defects["labels"], defects["sorted_by"]) == ("rank", '"rank"')


def _pixel(x_m: float, y_m: float) -> tuple[int, int]:
    west, south, east, north = EXTENT
    return round((x_m - west) / (east - west) * WIDTH), round((north - y_m) / (north - south) * HEIGHT)


def test_qgis_draws_the_declared_colours_at_the_features_places(product: Path, tmp_path: Path) -> None:
    picture = tmp_path / "map.png"
    request = {"path": str(picture), "width": WIDTH, "height": HEIGHT, "extent": EXTENT}
    _probe(tmp_path, geopackage=product, layers=["defects", "sections", "coverage"], picture=request)
    drawn = Image.open(picture).convert("RGB")
    colours = {name: f"#{r:02x}{g:02x}{b:02x}" for name, (r, g, b) in _looked_at(drawn).items()}
    d00, d20, d40 = (symbol.colour for symbol in distinct("point", 3))
    good, bad = (symbol.colour for symbol in distinct("line", 2))
    assert colours == {
        "pothole": d40,
        "alligator": d20,
        "longitudinal": d00,
        "sound": good,
        "repair": bad,
        "seen": "#56b4e9",
        "nothing": "#ffffff",
    }


def _looked_at(drawn: Image.Image) -> dict[str, tuple[int, int, int]]:
    places = {
        "pothole": (0, 0),
        "alligator": (40, 0),
        "longitudinal": (80, 0),
        "sound": (20, 20),
        # Dashed: the first dash begins where the line does.
        "repair": (40.5, 20),
        "seen": (10, 32),
        "nothing": (60, 32),
    }
    return {name: drawn.getpixel(_pixel(*place)) for name, place in places.items()}


def test_a_status_set_in_qgis_is_there_when_the_layer_is_read_again(product: Path, tmp_path: Path) -> None:
    told = _probe(tmp_path, geopackage=product, layers=["defects"], edits=[["defects", 2, "status", "done"]])
    assert told["edited"] == [True]
    assert read_layer(product, "defects")["status"].tolist() == ["open", "done", "open"]


def test_the_map_tip_names_the_class_and_finds_the_photo_beside_the_geopackage(product: Path, tmp_path: Path) -> None:
    tip = _probe(tmp_path, geopackage=product, layers=["defects"], tip=["defects", 1])["tip"]
    assert "<b>D40</b>" in tip
    assert "<td>状態 (Status)</td><td>未対応 Open</td>" in tip
    assert f"file:///{tmp_path}/photos/a.jpg" in tip


def test_what_stands_in_a_column_is_text_in_a_map_tip_and_no_markup(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame(
        {
            "stand": ["<A>1"],
            'memo "2"': ['d < 30 & <img src="http://192.0.2.1/t.png">'],
            "stems": pd.array([12], dtype="Int32"),
            "flown": [dt.date(2024, 4, 1)],
            "height_m": [12.5],
            "gap_pct": [float("nan")],
        },
        geometry=[box(0, 0, 10, 10)],
        crs=CRS,
    )
    form = Form(tip=MapTip("stand", tuple(column for column in frame.columns if column not in ("stand", "geometry"))))
    write_geopackage(
        tmp_path / "tips.gpkg",
        [Layer("stands", frame, Single("polygon", Symbol("#56b4e9"), form))],
        dt.date(2024, 5, 1),
    )
    tip = _probe(tmp_path, geopackage=tmp_path / "tips.gpkg", layers=["stands"], tip=["stands", 1])["tip"]
    assert "<b>&lt;A>1</b>" in tip
    cells = ['d &lt; 30 &amp; &lt;img src="http://192.0.2.1/t.png">', "12", "2024-04-01", "12.5", "–"]
    assert re.findall("</td><td>(.*?)</td>", tip) == cells
