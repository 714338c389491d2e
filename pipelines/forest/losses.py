"""Where the canopy is gone: areas in which more crowns are lost than chance takes, and cover fell."""

from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.forest.chance import CELL_M, Chance, Tally, by_radius
from pipelines.forest.ground import covered
from pipelines.forest.overlay import Overlay, centres
from pipelines.forest.params import ChangeParams
from pipelines.forest.shapes import areas_of

__all__ = ["loss_areas"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Slices = tuple[slice, slice]

_REACH_M: Final = 6.0
"""Ground farther from every lost crown is no part of a damaged area."""
_HEAVY: Final = 0.95
"""Share of the crowns that is not found again where damage is heavy."""
_WIDTH: Final = 0.6
_WIDTHS_M: Final = (1.5, 5.0)
_COLUMNS: Final = (
    *("change", "kind", "area_m2", "confidence", "n_before", "lost", "lost_share", "lost_chance", "gained"),
    *("cover_before_pct", "cover_pct", "cover_change_pct", "crown_diameter_m", "height_before_m", "at_edge"),
)


def loss_areas(over: Overlay, tally: Tally, chance: Chance, params: ChangeParams, prior: float) -> gpd.GeoDataFrame:
    """Areas of canopy loss, the largest first.

    Discs of ground in which loss is likelier than chance say where; which ground within them is told by the
    crowns around it. An area's `confidence` is the highest probability of the
    discs around it: that its loss is more than chance, not that each square metre of it is bare.

    Returns:
        `change` (number), `kind`, `area_m2`, `confidence`, `n_before`, `lost`, `lost_share`, `lost_chance` (expected
        without damage), `gained`, cover before and now, mean diameter and height of the lost, `at_edge`, polygon.
    """
    likely = _likelihoods(tally, chance, params, prior)
    regions, n = ndimage.label(likely >= params.confidence, np.ones((3, 3)))
    rows: list[dict[str, Any]] = []
    for number, box in enumerate(ndimage.find_objects(regions, max_label=n), 1):
        rows.extend(_areas_in(over, chance, likely, regions == number, box, params))
    rows.sort(key=lambda row: (-row["area_m2"], shapely.bounds(row["geometry"]).tolist()))
    frame = gpd.GeoDataFrame(rows, columns=[*_COLUMNS[1:], "geometry"], geometry="geometry", crs=over.ground.crs)
    frame.insert(0, "change", np.arange(1, len(frame) + 1, dtype=np.int32))
    counts = dict.fromkeys(("n_before", "lost", "gained"), np.int32)
    kinds = {"kind": object, "at_edge": bool}
    numbers = dict.fromkeys(set(_COLUMNS) - {"change", *counts, *kinds}, np.float64)
    return frame.astype({**counts, **kinds, **numbers})


def _likelihoods(tally: Tally, chance: Chance, params: ChangeParams, prior: float) -> Floats:
    """Highest probability of the discs that each cell of 5 m is in, float64 (rows, columns)."""
    found = np.zeros(tally.shape)
    for radius, probability in by_radius(tally, chance, params, prior):
        reach = int(radius // CELL_M)
        rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        disc = np.hypot(rows, columns) * CELL_M <= radius
        found = np.maximum(found, ndimage.maximum_filter(probability, footprint=disc, mode="constant"))
    return found


def _areas_in(
    over: Overlay, chance: Chance, likely: Floats, region: Flags, box: Slices, params: ChangeParams
) -> list[dict[str, Any]]:
    """The damaged areas within a region of 5 m cells; `box` holds it."""
    ground = over.ground
    fine = round(CELL_M / ground.cell_m)
    margin = int(np.ceil(2 * _REACH_M / CELL_M))
    rows, columns = (
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, length in zip(box, likely.shape, strict=True)
    )
    part = slice(rows.start * fine, rows.stop * fine), slice(columns.start * fine, columns.stop * fine)
    corner = ground.from_cell(part[0].start, part[1].start)
    wanted = np.kron(region[rows, columns], np.ones((fine, fine), bool)) & over.both[part]
    labels = _labelled(_bare(over, chance, wanted, corner), over.both[part], ground.cell_m, params)
    certain = np.kron(likely[rows, columns], np.ones((fine, fine)))
    found = []
    for number, shape in areas_of(labels, corner).items():
        mask = labels == number
        row = _described(over, shape, mask, part, float(certain[mask].max()))
        if row["area_m2"] >= params.smallest_m2 and row["cover_pct"] <= params.cover_left * row["cover_before_pct"]:
            found.append(row)
    return found


def _bare(over: Overlay, chance: Chance, wanted: Flags, corner: Affine) -> Flags:
    """Ground around which the crowns speak more of damage than of chance.

    Crowns vote, weighted by a Gaussian as wide as they stand apart: a lost one for, one found again against, a new one
    half against. What chance does and what heavy damage does come out as votes of equal size, so that the border falls
    half-way between the last lost and the first standing crown.
    """
    cell = over.ground.cell_m
    fair = (1 - chance.found_again + _HEAVY - chance.gained / 2) / 2
    lost = over.old["lost"].to_numpy(bool)
    votes = _dropped(over.old, np.where(lost, 1.0, 0.0) - fair, wanted.shape, corner)
    votes += _dropped(over.gained, np.full(len(over.gained), -0.5), wanted.shape, corner)
    apart = np.sqrt(over.both.sum() * cell**2 / max(1, len(over.old)))
    votes = ndimage.gaussian_filter(votes, np.clip(_WIDTH * apart, *_WIDTHS_M) / cell, mode="constant")
    painted = covered(over.old.geometry.to_numpy()[lost], corner, wanted.shape)
    near = _distance(painted) * cell <= _REACH_M
    return np.asarray(wanted & (votes > 0) & near, bool)


def _dropped(crowns: gpd.GeoDataFrame, weights: Floats, shape: tuple[int, ...], corner: Affine) -> Floats:
    """Sum of the weights (n,) of the crowns whose centre is in each cell, float64 (rows, columns)."""
    x, y = centres(crowns).T
    at = np.floor([(y - corner.f) / corner.e, (x - corner.c) / corner.a]).astype(np.int64)
    inside = (at >= 0).all(axis=0) & (at < np.reshape(shape, (2, 1))).all(axis=0)
    flat = np.ravel_multi_index((at[0][inside], at[1][inside]), shape)
    sums = np.bincount(flat, weights[inside], minlength=shape[0] * shape[1])
    return np.asarray(sums, np.float64).reshape(shape)


def _distance(painted: Flags) -> Floats:
    """Cells to the nearest painted one; infinite where nothing is."""
    if not painted.any():
        return np.full(painted.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(~painted), np.float64)


def _labelled(bare: Flags, seen: Flags, cell_m: float, params: ChangeParams) -> NDArray[np.int32]:
    """Parts of the bare ground, after slivers are taken off it and what little still stands within is taken in."""
    radius = params.narrowest_m / 2 / cell_m
    if radius >= 1:
        core = ndimage.distance_transform_edt(np.pad(bare, 1))[1:-1, 1:-1] > radius
        bare = bare & (_distance(core) <= radius)
    holes = np.asarray(ndimage.label(~bare)[0])
    small = np.bincount(holes.ravel()) * cell_m**2 < params.smallest_m2
    small[0] = False
    return np.asarray(ndimage.label((bare | small[holes]) & seen)[0], np.int32)


def _described(over: Overlay, shape: shapely.Geometry, mask: Flags, part: Slices, confidence: float) -> dict[str, Any]:
    ground = over.ground
    old = over.old.iloc[_inside(over.old, shape)]
    lost = old[old["lost"]]
    cells = max(1, int(mask.sum()))
    was, now = (100 * float((cover[part] & mask).sum()) / cells for cover in (over.cover, ground.cover))
    height = lost["height_m"].mean() if "height_m" in lost else np.nan
    around = ndimage.binary_dilation(mask, iterations=2)
    return {
        "kind": "canopy_loss",
        "area_m2": float(mask.sum()) * ground.cell_m2,
        "confidence": confidence,
        "n_before": len(old),
        "lost": len(lost),
        "lost_share": len(lost) / len(old) if len(old) else np.nan,
        "lost_chance": float(old["risk"].sum()),
        "gained": len(_inside(over.gained, shape)),
        "cover_before_pct": was,
        "cover_pct": now,
        "cover_change_pct": now - was,
        "crown_diameter_m": float(lost["crown_diameter_m"].mean()) if len(lost) else np.nan,
        "height_before_m": float(height),
        "at_edge": bool((around & ~over.both[part]).any()),
        "geometry": shapely.simplify(shape, ground.cell_m),
    }


def _inside(crowns: gpd.GeoDataFrame, shape: shapely.Geometry) -> NDArray[np.int64]:
    """Rows whose centre is in the shape, int64 (n,)."""
    near = np.sort(crowns.sindex.query(shape, predicate="intersects"))
    return np.asarray(near[shapely.intersects_xy(shape, *centres(crowns)[near].T)], np.int64)
