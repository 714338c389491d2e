"""The stand map as a QGIS project, ready to look at and to print, and the folder of it as one ZIP."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import rasterio

from geo.geopackage import Layer
from geo.project import Entry, Group, MapLayer, PictureLayer, Project, Sheet, SheetWords, sheet_scale, to_qgs
from geo.styles import Categorized, Graduated
from pipelines.archive import write_zip
from pipelines.forest.backdrop import Backdrop
from pipelines.forest.figures import figures_of
from pipelines.forest.results import Results
from pipelines.forest.statement import change_lines, dated, source_of, stems_line, worth_lines
from pipelines.forest.words import LANGUAGES, say

__all__ = ["forest_project", "write_photo", "write_project"]

_GROUPS: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("樹木 Trees", ("tops", "crowns")),
    ("変化 Change", ("changes",)),
    ("林分 Stands", ("stands", "gaps")),
    ("メッシュ Mesh", ("mesh20m",)),
    ("調査 Survey", ("rejected", "survey_extent")),
)
_OTHERS: Final = "その他 Other"
_HIDDEN: Final = frozenset({"tops", "mesh20m"})
"""Not ticked at first: crowns show where trees stand, and two ramps on top of each other show nothing."""
_FROM_SCALE: Final = {"tops": 4000, "crowns": 4000}
"""Crowns of 4 m are 1 mm wide on paper then; smaller, their outlines run together."""


def forest_project(results: Results, layers: Sequence[Layer], beneath: Backdrop, files: tuple[str, str]) -> Project:
    """The project.

    Args:
        results: the survey.
        layers: as written into the GeoPackage, those drawn on top first.
        beneath: the orthophoto, reduced.
        files: names of the GeoPackage and of the reduced orthophoto, beside the project.
    """
    at = beneath.extent
    bounds = (at.x1, at.y1, at.x2, at.y2)
    groups = [*_groups(layers, files[0]), Group("背景 Background", (PictureLayer(_both("photo"), files[1]),))]
    drawn = [one for group in groups for one in group.layers if isinstance(one, MapLayer)]
    entries = [one for one in drawn if _in_legend(one, sheet_scale(bounds))]
    return Project(
        title=f"{_both('title')} {results.survey}",
        crs=beneath.crs,
        bounds=bounds,
        groups=tuple(groups),
        sheets=tuple(_sheet(results, entries, lang) for lang in LANGUAGES),
        date=_date(results),
    )


def write_project(path: Path, project: Project) -> None:
    """Write a .qgz: a ZIP of the .qgs. The date of the survey stands for the clock."""
    write_zip(path, {"forest.qgs": to_qgs(project)}, project.date)


def write_photo(path: Path, beneath: Backdrop) -> None:
    """Write the reduced orthophoto as a GeoTIFF (JPEG, with a mask of what was photographed)."""
    rows, columns = beneath.rgba.shape[:2]
    bands = np.moveaxis(beneath.rgba, -1, 0)
    profile = {"driver": "GTiff", "width": columns, "height": rows, "count": 3, "dtype": "uint8"}
    packed = {"compress": "jpeg", "photometric": "ycbcr", "jpeg_quality": 88, "tiled": True}
    place = {"crs": beneath.crs.to_wkt(), "transform": beneath.transform}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", blockxsize=256, blockysize=256, **profile, **packed, **place) as target,
    ):
        target.write(bands[:3])
        target.write_mask(bands[3] == 255)


def _both(key: str) -> str:
    return " ".join(say(key, lang) for lang in LANGUAGES)


def _date(results: Results) -> dt.date:
    return dt.date.fromisoformat(results.date) if results.date else dt.date(1980, 1, 1)


def _groups(layers: Sequence[Layer], file: str) -> Iterator[Group]:
    known = {name for _, names in _GROUPS for name in names}
    others = tuple(layer.name for layer in layers if layer.name not in known)
    for title, names in ((_OTHERS, others), *_GROUPS):
        chosen = [layer for name in names for layer in layers if layer.name == name]
        members = tuple(MapLayer(one, file, one.name not in _HIDDEN, _FROM_SCALE.get(one.name)) for one in chosen)
        if members:
            yield Group(title, members)


def _in_legend(one: MapLayer, scale: float) -> bool:
    drawn = one.from_scale is None or scale <= one.from_scale
    return one.shown and drawn and len(one.layer.frame) > 0 and one.layer.style is not None


def _sheet(results: Results, entries: Sequence[MapLayer], lang: str) -> Sheet:
    entries = sorted(entries, key=lambda one: isinstance(one.layer.style, Categorized | Graduated))
    words = SheetWords(
        title=f"{say('title', lang)}　{results.survey}",
        under=f"{dated(results, lang)}　{stems_line(figures_of(results), lang)}",
        legend=say("legend", lang),
        notes_title=say("worth", lang),
        notes="\n".join([*worth_lines(results, lang), *change_lines(results, lang)]),
        source=f"{say('sources', lang)}: {source_of(results, lang)}",
    )
    return Sheet(say("sheet", lang), words, tuple(_entry(one, lang) for one in entries))


def _entry(one: MapLayer, lang: str) -> Entry:
    """A layer's line in the legend, in one language, with those of its classes that occur."""
    layer, which = one.layer, LANGUAGES.index(lang)
    title = (layer.title_ja, layer.title_en)[which]
    if isinstance(layer.style, Graduated):
        unit = layer.aliases.get(layer.style.column, (layer.style.column,) * 2)[which]
        ranges = tuple((k, f"{r.lower:,.0f}–{r.upper:,.0f}") for k, r in enumerate(layer.style.ranges))
        return Entry(one.key, f"{title} {unit}" if lang == "ja" else f"{title}: {unit.lower()}", ranges)
    if isinstance(layer.style, Categorized):
        there = set(layer.frame[layer.style.column])
        choices = [category.choice for category in layer.style.categories]
        named = tuple((k, (c.ja, c.en)[which]) for k, c in enumerate(choices) if c.value in there)
        return Entry(one.key, title, named)
    return Entry(one.key, title)
