"""Conifer or broadleaf, told by the look of crowns that people named on the same orthophoto.

What a conifer looks like from above hangs on light, season and camera: a classifier of colour and texture taught on
sixteen forests told the type of the crowns of a seventeenth right in two of three cases (docs/design/forest.md). Within
one flight, some named crowns say what the others' looks mean, and leaving them out in turns says how far to trust it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS
from scipy.spatial.distance import cdist
from scipy.stats import chi2

from geo.crs import require_crs
from geo.raster import BadWindow, Grid, OrthoReader
from pipelines.errors import SurveyError
from pipelines.forest.params import TypeParams

__all__ = ["TYPES", "UNKNOWN", "NamedCrowns", "TypesTold", "looks_of", "read_named", "tell_types"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TYPES: Final = ("conifer", "broadleaf")
UNKNOWN: Final = "unknown"
_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("conifer", "coniferous", "needleleaf", "針葉樹", "針", "n", "c"), "conifer"),
    **dict.fromkeys(("broadleaf", "broadleaved", "広葉樹", "広", "l", "b"), "broadleaf"),
}
_COLUMNS: Final = ("type", "tree_type", "樹種区分", "針広", "針広区分")
_TOLD: Final = "type_probability"
"""Where a layer has it, its `type` is what an earlier run told, and teaches nothing."""

_BLOCK_PX: Final = 2048
_LEAST_PX: Final = 6.0
"""Smaller crowns show no texture."""
_SQUARE_M: Final = 20.0
_LEAST_SQUARES: Final = 3
_SHRINKAGE: Final = 0.2
"""Part of the covariance that its diagonal is: a few dozen crowns do not tell ten looks' correlations."""
_STRANGE: Final = 0.999
"""Crowns farther from both types than this share of their own kind are neither."""


@dataclass(frozen=True, slots=True)
class NamedCrowns:
    """Points or polygons in the survey's plane, and the `TYPES` that people gave them."""

    places: NDArray[np.object_]
    types: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class TypesTold:
    """What types came to.

    Attributes:
        type: of each crown, one of `TYPES` or `UNKNOWN`.
        probability: of that type, nan where it is not known.
        n_named: by type, crowns that people named.
        right: of the named crowns, left out in turns by squares of 20 m, the share told right, mean of both types.
        wrong: the share told to be the other type; the rest stayed unknown.
        trusted: whether that was enough for the others.
    """

    type: NDArray[np.object_]
    probability: Floats
    n_named: Mapping[str, int]
    right: float
    wrong: float
    trusted: bool

    def line(self) -> str:
        """What was told and how well, as a sentence."""
        named = " and ".join(f"{n} {name}" for name, n in self.n_named.items())
        left_out = (
            f"of those, left out in turns, {100 * self.right:.0f} % were told right and {100 * self.wrong:.0f} % wrong"
        )
        if not self.trusted:
            return f"types of trees: {named} crowns were named; {left_out}: too few right, so none is stated"
        known = [f"{int((self.type == name).sum()):,} {name}" for name in (*TYPES, UNKNOWN)]
        return f"types of trees: {', '.join(known)}; {named} crowns were named; {left_out}"


def read_named(path: Path, plane: CRS) -> NamedCrowns:
    """Read points or polygons with a column `type` (樹種区分, 針広区分): conifer, broadleaf, 針葉樹, 広葉樹.

    Rows that say something else are left out; so is what an earlier run told (`type` beside `type_probability`).

    Args:
        path: a GeoPackage, Shapefile or GeoJSON; of several layers the first one in which crowns are named.
        plane: the survey's CRS.

    Raises:
        SurveyError: no such file, no such column, or neither type in it.
        CrsError: no CRS.
    """
    if not path.exists():
        raise SurveyError("no such file of named crowns", where=path)
    what = "no crown in it has a type"
    try:
        for layer, column in _naming(path):
            frame = pyogrio.read_dataframe(path, layer=layer)
            types = frame[column].astype("string").str.strip().str.lower().map(_WORDS)
            good = (types.notna() & frame.geometry.notna() & ~frame.geometry.is_empty).to_numpy(bool)
            if good.any():
                frame = frame.set_crs(require_crs(frame.crs, where=path), allow_override=True).to_crs(plane)
                return NamedCrowns(frame.geometry.to_numpy()[good], types[good].to_numpy(np.str_))
            what = "no crown in it is named conifer or broadleaf"
    except (DataLayerError, DataSourceError) as error:
        raise SurveyError(f"the named crowns cannot be read ({str(error).splitlines()[0]})", where=path) from error
    remedy = "Give points in crowns, or crowns, with a column `type`: conifer or broadleaf"
    raise SurveyError(what, where=path, remedy=remedy)


def _naming(path: Path) -> Iterator[tuple[str, str]]:
    """Layers with places, and the first column of each in which people may have named crowns."""
    for layer, kind in pyogrio.list_layers(path):
        columns = [str(name) for name in pyogrio.read_info(path, layer=layer)["fields"]]
        told = {"type"} if _TOLD in columns else set()
        column = next((name for name in columns if name.lower() in set(_COLUMNS) - told), None)
        if kind is not None and column is not None:
            yield str(layer), column


def tell_types(crowns: gpd.GeoDataFrame, looks: Floats, named: NamedCrowns, params: TypeParams) -> TypesTold:
    """The type of every crown by the looks of those that people named.

    Linear discriminant analysis with equal priors (Fisher 1936), its covariance shrunk towards the diagonal
    (Friedman 1989). A crown whose look is far from both types', or between them, stays unknown.

    Args:
        crowns: polygons, with `top_x_m` and `top_y_m`.
        looks: float64 (n, k) from `looks_of`; nan where a crown does not show.
        named: by people; one names the crown in whose middle it lies, and a crown with
            two different ones is left out.
        params: how sure it must be.

    Raises:
        SurveyError: too few of either type lie in crowns that were found.
    """
    shown = np.flatnonzero(np.isfinite(looks).all(axis=1))
    own = _named_of(crowns, named, shown)
    rows = np.flatnonzero(own >= 0)
    square = _squares(crowns, rows)
    for number, name in enumerate(TYPES):
        mine = own[rows] == number
        n, places = int(mine.sum()), len(np.unique(square[mine]))
        if n < params.least_named or places < _LEAST_SQUARES:
            what = f"{n} crowns that were found are named {name}, in {places} places of {_SQUARE_M:g} m"
            remedy = f"Name {params.least_named} or more of each type, in {_LEAST_SQUARES} or more places"
            raise SurveyError(what, where="--types", remedy=remedy)
    judged = np.full(len(rows), -1)
    for one in np.unique(square):
        out = square == one
        judged[out] = _sure(*_told(looks[rows[~out]], own[rows[~out]], looks[rows[out]]), params)
    shares = [
        [float((judged[own[rows] == number] == said).mean()) for number, said in pairs]
        for pairs in (((0, 0), (1, 1)), ((0, 1), (1, 0)))
    ]
    right, wrong = (float(np.mean(share)) for share in shares)
    trusted = right >= params.least_right
    type_, probability = np.full(len(crowns), UNKNOWN, object), np.full(len(crowns), np.nan)
    if trusted:
        which, sure = _told(looks[rows], own[rows], looks[shown])
        kept = _sure(which, sure, params) >= 0
        type_[shown[kept]] = np.array(TYPES, object)[which[kept]]
        probability[shown[kept]] = sure[kept]
        type_[rows], probability[rows] = np.array(TYPES, object)[own[rows]], 1.0
    counts = {name: int((own == number).sum()) for number, name in enumerate(TYPES)}
    return TypesTold(type_, probability, counts, right, wrong, trusted)


def _named_of(crowns: gpd.GeoDataFrame, named: NamedCrowns, shown: Ints) -> Ints:
    """(n,) the number in `TYPES` that people gave each crown that is `shown`; -1 where they gave none, or both."""
    own = np.full(len(crowns), -1, np.int64)
    inside = shapely.point_on_surface(named.places)
    at, which = shapely.STRtree(crowns.geometry.to_numpy()).query(inside, predicate="within")
    away = shapely.distance(inside[at], shapely.centroid(crowns.geometry.to_numpy()[which]))
    order = np.lexsort((away, at))
    at, which = at[order], which[order]
    nearest = np.diff(at, prepend=-1) > 0  # of crowns that overlap, the one in whose middle it lies
    at, which = at[nearest], which[nearest]
    number = np.array([TYPES.index(name) for name in named.types.tolist()], np.int64)[at]
    for kind in range(len(TYPES)):
        own[which[number == kind]] = kind
    own[np.intersect1d(which[number == 0], which[number == 1])] = -1
    seen = np.full(len(crowns), -1, np.int64)
    seen[shown] = own[shown]
    return seen


def _squares(crowns: gpd.GeoDataFrame, rows: Ints) -> Ints:
    """(k,) a number for the square of 20 m that each of some crowns stands in: neighbours look alike."""
    xy = np.floor(crowns[["top_x_m", "top_y_m"]].to_numpy(np.float64)[rows] / _SQUARE_M).astype(np.int64)
    return np.asarray(np.unique(xy, axis=0, return_inverse=True)[1].ravel(), np.int64)


def _told(known: Floats, kind: Ints, looks: Floats) -> tuple[Ints, Floats]:
    """(n,) the likelier type of each look and its probability; 0 where the look is strange to both."""
    middle = np.stack([known[kind == number].mean(axis=0) for number in range(len(TYPES))])
    apart = known - middle[kind]
    covariance = apart.T @ apart / max(1, len(known) - len(TYPES))
    scale = np.diag(np.diag(covariance) + 1e-12)
    inverse = np.linalg.inv((1 - _SHRINKAGE) * covariance + _SHRINKAGE * scale)
    distance = cdist(looks, middle, "mahalanobis", VI=inverse) ** 2
    nearest = distance.argmin(axis=1)
    sure = 1 / (1 + np.exp(-np.abs(distance[:, 0] - distance[:, 1]) / 2))
    return nearest, np.where(distance.min(axis=1) <= chi2.ppf(_STRANGE, looks.shape[1]), sure, 0.0)


def _sure(which: Ints, probability: Floats, params: TypeParams) -> Ints:
    return np.where(probability >= params.probability, which, -1)


def looks_of(crowns: gpd.GeoDataFrame, grid: Grid) -> Floats:
    """How each crown looks: float64 (n, 10), nan where it is too small or does not show.

    Within the ellipse in its box: red and green as parts of all light, saturation; brightness, its spread and its tenth
    and ninetieth percentile by the mean; texture of 1 px and of 3 px by the mean; and the middle by the mean. Size is
    none of them: young broadleaves are no conifers.

    Args:
        crowns: polygons in the plane of `grid`.
        grid: the pixels that the model looked at.
    """
    looks = np.full((len(crowns), 10), np.nan)
    boxes = _boxes_px(crowns, grid)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    block = np.floor(middle / _BLOCK_PX).astype(np.int64)
    with OrthoReader(grid) as reader:
        blocks, of = np.unique(block, axis=0, return_inverse=True)
        for one in range(len(blocks)):
            for number, look in _looks(reader, boxes, np.flatnonzero(of.ravel() == one), grid.inside_px):
                looks[number] = look
    return looks


def _boxes_px(crowns: gpd.GeoDataFrame, grid: Grid) -> Floats:
    """Boxes (n, 4) in grid pixels around the polygons."""
    rings, of = shapely.get_coordinates(crowns.geometry.to_numpy(), return_index=True)
    xy = grid.to_pixels(rings)
    starts = np.searchsorted(of, np.arange(len(crowns)))
    if not len(crowns):
        return np.empty((0, 4))
    return np.hstack([np.minimum.reduceat(xy, starts), np.maximum.reduceat(xy, starts)])


def _looks(reader: OrthoReader, boxes: Floats, mine: Ints, inside_px: tuple[int, int]) -> Iterator[tuple[int, Floats]]:
    low = np.floor(boxes[mine, :2].min(axis=0)).astype(int).clip(0) // 16 * 16
    high = np.minimum(np.ceil(boxes[mine, 2:].max(axis=0)).astype(int), inside_px)
    if (high <= low).any():
        return
    right, bottom = (low + -(-(high - low) // 16) * 16).tolist()
    try:
        patch = reader.read(int(low[0]), int(low[1]), right, bottom)
    except BadWindow:
        return
    light = patch.rgb.astype(np.float32)
    grey = cv2.cvtColor(patch.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (1, 3))
    for number in mine.tolist():
        x1, y1, x2, y2 = boxes[number] - np.tile(low, 2)
        part = slice(max(0, int(y1)), int(np.ceil(y2))), slice(max(0, int(x1)), int(np.ceil(x2)))
        shown = patch.valid[part]
        y, x = np.mgrid[part[0].start : part[0].start + shown.shape[0], part[1].start : part[1].start + shown.shape[1]]
        reach = np.hypot((2 * x + 1 - x1 - x2) / (x2 - x1), (2 * y + 1 - y1 - y2) / (y2 - y1))
        inside = (reach <= 1) & shown
        if min(x2 - x1, y2 - y1) < _LEAST_PX or inside.sum() < 0.5 * (reach <= 1).sum() or not inside.any():
            continue
        colour, value = light[part][inside], grey[part][inside]
        mean = float(value.mean()) + 1.0
        red, green, _ = colour.mean(axis=0) / (colour.mean(axis=0).sum() + 1.0)
        saturation = (colour.max(axis=1) - colour.min(axis=1)).mean() / (colour.max(axis=1).mean() + 1.0)
        tenth, ninetieth = np.percentile(value, [10, 90]) / mean
        textures = [
            float(np.abs(one[part] - other[part])[inside].mean()) / mean
            for one, other in ((grey, fine), (fine, coarse))
        ]
        core = inside & (reach <= 0.5)
        centre = float(grey[part][core].mean()) / mean if core.any() else 1.0
        yield (
            number,
            np.array([red, green, saturation, mean / 255, value.std() / mean, tenth, ninetieth, *textures, centre]),
        )
