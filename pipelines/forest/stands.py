"""What stands are like: density with an interval, cover, sizes, heights, gaps."""

import math
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from models.card import ModelCard
from pipelines.forest.ground import HEIGHTS_SHARE, Ground
from pipelines.forest.params import StandParams
from pipelines.forest.tree_types import TYPES, UNKNOWN

__all__ = ["COLUMNS", "CountError", "count_error", "crowns_in", "interval", "stand_table"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Objects = NDArray[np.object_]
_Z90: Final = 1.645
_COARSEST: Final = 3.2
"""Times the model's own ground sampling distance: in coarser pictures (20 cm for 6.25) most trees are missed; at 50 cm
139 of 599 stems/ha were left."""
_NONE_FOUND: Final = 3.0
"""Where none was counted there may be up to three: the upper limit at 95 % (Hanley and Lippman-Hand 1983)."""
_FOREST_PCT: Final = 10.0
"""Forest has at least this crown cover (FAO, Forest Resources Assessment 2020, terms and definitions)."""

_HEIGHTS: Final = ("height_m", "height_p50_m", "height_p95_m", "height_max_m")
COLUMNS: Final = (
    "stand",
    "origin",
    "kind",
    "area_ha",
    "seen_pct",
    "n_crowns",
    "stem_density_ha",
    "stem_density_low_ha",
    "stem_density_high_ha",
    "crown_cover_pct",
    "crown_diameter_m",
    "crown_diameter_qm_m",
    "height_m",
    "height_p50_m",
    "height_p95_m",
    "height_max_m",
    "conifer_pct",
    "broadleaf_pct",
    "type_unknown_pct",
    "gap_pct",
    "survey_date",
    "model_sha256",
)


@dataclass(frozen=True, slots=True)
class CountError:
    """Relative sd of a stand's count beyond chance, and where it is from: the model's card, or assumed.

    An `sd` of nan: nobody knows how many trees are missed; then `source` says why.
    """

    sd: float
    source: str

    @property
    def known(self) -> bool:
        """Whether a count says how many trees there are, and so whether there is forest."""
        return math.isfinite(self.sd)

    def line(self) -> str:
        """What is said of intervals, a sentence."""
        if self.known:
            return f"counts of a stand: chance and ±{100 * self.sd:.0f} % (sd; {self.source})"
        return f"stands have neither an interval nor a kind: {self.source}"


def count_error(card: ModelCard, params: StandParams, gsd_m: float = 0.0) -> CountError:
    """What the card says of counts, plot by plot: the worst mean absolute error of `stems` among its data sets.

    Of a normal error the sd is √(π/2) times the mean absolute one. Without such a figure, what `params` assumes.

    Args:
        card: of the model.
        params: what is assumed.
        gsd_m: of the picture, where stems are counted in it alone.
    """
    if card.gsd_m is not None and gsd_m > _COARSEST * card.gsd_m:
        pixels = f"{100 * gsd_m:.3g} cm a pixel, and the model was made for {100 * card.gsd_m:.3g}"
        return CountError(
            math.nan, f"the picture has {pixels}, so most trees are missed (a fine height model shows them)"
        )
    found = []
    for name, entry in sorted(card.metrics.items()):
        stems = entry.get("stems") if isinstance(entry, dict) else None
        mae, mean = (stems.get("ha_mae"), stems.get("ha_mean_true")) if isinstance(stems, dict) else (None, None)
        if mae is not None and mean:
            source = f"model card: mean absolute error {mae:.0f} of {mean:.0f} stems/ha on {name}"
            found.append(CountError(math.sqrt(math.pi / 2) * float(mae) / float(mean), source))
    assumed = CountError(params.count_sd, "assumed: the model's card states none")
    return max(found, key=lambda error: error.sd, default=assumed)


def stand_table(
    stands: gpd.GeoDataFrame,
    ground: Ground,
    crowns: gpd.GeoDataFrame,
    in_gap: np.ndarray,
    error: CountError,
) -> gpd.GeoDataFrame:
    """The stands with their figures; nulls where nothing of a stand was photographed.

    Heights are null, too, where the height model covers less than half of what was photographed of a stand.

    Args:
        stands: `stand`, `origin`, perhaps the register's own columns, polygons; a register's may overlap.
        ground: what was photographed, covered and measured.
        crowns: with `counted`, and `height_m` and `type` where they are known.
        in_gap: bool (rows, columns) of `ground`, from `gap_ground`.
        error: of counts; where it is not known, neither interval nor kind is.

    Returns:
        The columns of `stands`, then those of `COLUMNS` that they lack, polygons.
    """
    counted = crowns[crowns["counted"]]
    tops = counted[["top_x_m", "top_y_m"]].to_numpy(np.float64)
    shapes = stands.geometry.to_numpy()
    members = crowns_in(stands, tops, counted["crown_diameter_m"].to_numpy(np.float64) / 2)
    rows = [
        {**_areas(shape, ground, in_gap), **_sizes(counted.iloc[inside])}
        for shape, inside in zip(shapes, members, strict=True)
    ]
    nothing = {**dict.fromkeys(("area", "seen", "covered", "measured", "gaps"), 0.0), **_sizes(counted.iloc[:0])}
    # Without stands the table has its columns all the same.
    table = pd.DataFrame([_figures(row, error) for row in rows or [nothing]]).iloc[: len(rows)]
    table = table.astype({"n_crowns": pd.Int32Dtype()})
    own = [column for column in COLUMNS if column in table]
    joined = pd.concat([stands.drop(columns="geometry"), table[own].set_axis(stands.index)], axis=1)
    return gpd.GeoDataFrame(joined, geometry=shapes, crs=stands.crs)


def crowns_in(stands: gpd.GeoDataFrame, places: Floats, radius_m: Floats) -> list[Ints]:
    """The crowns of each stand, by number, int64 arrays.

    A crown on a border that stands share is of the first of them alone; where a register's stands overlap, it is of
    both. Delineated stands fill the photographed ground as far as its simplified border follows it: a crown beyond
    that is of the nearest one within its radius.

    Args:
        stands: `origin`, polygons.
        places: (n, 2) of the crowns, m.
        radius_m: (n,) of the crowns.
    """
    shapes, points = stands.geometry.to_numpy(), shapely.points(places) if len(places) else np.empty(0, object)
    tree = shapely.STRtree(points)
    stand, crown = tree.query(shapes, predicate="intersects")
    inner = tree.query(shapes, predicate="contains_properly")
    on_border = ~np.isin(stand * len(points) + crown, inner[0] * len(points) + inner[1])
    order = np.lexsort((stand, on_border, crown))
    stand, crown, on_border = stand[order], crown[order], on_border[order]
    kept = ~on_border | (np.diff(crown, prepend=-1) > 0)
    stand, crown = stand[kept], crown[kept]
    if (stands["origin"] == "delineated").any():
        near = _nearest(shapes, points, radius_m, np.setdiff1d(np.arange(len(points)), crown))
        stand, crown = np.append(stand, near[0]), np.append(crown, near[1])
    order = np.lexsort((crown, stand))
    return np.split(crown[order], np.searchsorted(stand[order], np.arange(1, len(shapes))))[: len(shapes)]


def _nearest(shapes: Objects, points: Objects, radius_m: Floats, lone: Ints) -> tuple[Ints, Ints]:
    """Stands and crowns, by number, of the crowns `lone` that lie in none, but within their radius of one."""
    if not len(lone):
        return lone, lone
    (one, stand), away = shapely.STRtree(shapes).query_nearest(
        points[lone], max_distance=float(radius_m[lone].max()), return_distance=True
    )
    crown = lone[one]
    reached = away <= radius_m[crown]
    order = np.lexsort((stand[reached], crown[reached]))
    stand, crown = stand[reached][order], crown[reached][order]
    first = np.diff(crown, prepend=-1) > 0
    return stand[first], crown[first]


def _areas(shape: shapely.Geometry, ground: Ground, in_gap: np.ndarray) -> dict[str, float]:
    """Areas of a polygon, m²: its own, photographed, covered, with heights, in gaps."""
    part, corner = ground.around(shape)
    areas = {"area": float(shape.area), "seen": 0.0, "covered": 0.0, "measured": 0.0, "gaps": 0.0}
    size = ground.seen[part].shape
    if 0 in size:
        return areas
    inside = (rasterize([shape], size, transform=corner, dtype=np.uint8) > 0) & ground.seen[part]
    measured = inside if ground.measured is None else inside & ground.measured[part]
    sums = {"seen": inside, "covered": inside & ground.cover[part], "measured": measured, "gaps": inside & in_gap[part]}
    return {**areas, **{name: float(one.sum()) * ground.cell_m2 for name, one in sums.items()}}


def _sizes(crowns: gpd.GeoDataFrame) -> dict[str, Any]:
    diameter = crowns["crown_diameter_m"].to_numpy(np.float64)
    sizes: dict[str, Any] = {"n_crowns": len(crowns)}
    if len(crowns):
        sizes |= {"crown_diameter_m": diameter.mean(), "crown_diameter_qm_m": math.sqrt((diameter**2).mean())}
    if "type" in crowns:
        sizes |= _type_shares(crowns)
    if "height_m" not in crowns:
        return sizes
    heights = crowns["height_m"].dropna().to_numpy(np.float64)
    if not len(heights):
        return {**sizes, **dict.fromkeys(_HEIGHTS, np.nan)}
    p50, p95 = np.percentile(heights, [50, 95])
    return {**sizes, **dict(zip(_HEIGHTS, (heights.mean(), p50, p95, heights.max()), strict=True))}


def _type_shares(crowns: gpd.GeoDataFrame) -> dict[str, float]:
    """Parts of the crowns' area by type, %; nan without crowns."""
    area = crowns["area_m2"].to_numpy(np.float64)
    shares = {name: 100 * area[(crowns["type"] == name).to_numpy()].sum() for name in (*TYPES, UNKNOWN)}
    names = dict(zip((*TYPES, UNKNOWN), ("conifer_pct", "broadleaf_pct", "type_unknown_pct"), strict=True))
    return {names[name]: share / area.sum() if len(area) else math.nan for name, share in shares.items()}


def _figures(row: dict[str, Any], error: CountError) -> dict[str, Any]:
    area, seen, n = row.pop("area"), row.pop("seen"), row["n_crowns"]
    covered, measured, in_gaps = row.pop("covered"), row.pop("measured"), row.pop("gaps")
    if measured < HEIGHTS_SHARE * seen:
        row |= {name: np.nan for name in _HEIGHTS if name in row}
    figures = {"area_ha": area / 1e4, "seen_pct": min(100.0, 100 * seen / area) if area else 0.0, **row}
    names = ("stem_density_ha", "stem_density_low_ha", "stem_density_high_ha", "crown_cover_pct", "gap_pct")
    sizes = dict.fromkeys(("crown_diameter_m", "crown_diameter_qm_m"), np.nan)
    if seen <= 0:
        return {"kind": None, **sizes, **figures, "n_crowns": pd.NA, **dict.fromkeys(names, np.nan)}
    low, high = interval(n, error.sd)
    ha, cover = seen / 1e4, 100 * covered / seen
    values = (n / ha, low / ha, high / ha, cover, 100 * in_gaps / seen)
    kind = ("forest" if cover >= _FOREST_PCT else "open") if error.known else None
    return {"kind": kind, **sizes, **figures, **dict(zip(names, values, strict=True))}


def interval(n: int, sd: float) -> tuple[float, float]:
    """90 % interval of a count: chance and the model's own spread, log-normal; nan where the spread is."""
    if n == 0 and math.isfinite(sd):
        return 0.0, _NONE_FOUND
    spread = math.exp(_Z90 * math.sqrt(1 / max(n, 1) + sd**2))
    return n / spread, n * spread
