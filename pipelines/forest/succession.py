"""Which stand of an earlier map a stand is, and what people wrote beside it since."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipelines.forest.stands import COLUMNS

__all__ = ["CHANGE_COLUMNS", "Succession", "succeeded"]

CHANGE_COLUMNS: Final = (
    *("previous_stand", "compared_pct", "cover_change_pct", "n_before", "lost", "lost_share", "lost_chance"),
    *("lost_limit", "gained", "gained_chance", "loss_ha"),
)
"""What the comparison adds to stands; meshes have them too, but for the first and the last."""

_TOGETHER: Final = (
    ("height_m", "height_p50_m", "height_p95_m", "height_max_m"),
    ("conifer_pct", "broadleaf_pct", "type_unknown_pct"),
    CHANGE_COLUMNS,
)
"""A map has all columns of such a group or none: people added what stands there without the others."""

_SHARE: Final = 0.5
_LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class Succession:
    """Stands with what is theirs from the earlier map.

    Attributes:
        stands: as given, with `previous_stand` and the columns that people added.
        kept: names of those columns.
        lines: what to tell people, one sentence each.
    """

    stands: gpd.GeoDataFrame
    kept: tuple[str, ...]
    lines: tuple[str, ...]


def succeeded(stands: gpd.GeoDataFrame, previous: gpd.GeoDataFrame, shift_m: tuple[float, float]) -> Succession:
    """Find every stand in the earlier map.

    Stands of a register go by its ids, if their polygons meet; others by overlap: `previous_stand` is the one that most
    of the stand lies in, if that is half of it. It is the same stand if each is most of the other, and a register names
    both or neither: then what people added to it in QGIS stays with it.

    Args:
        stands: of the new map, with `stand` and `origin`.
        previous: of the earlier one, in the same plane, with `stand`.
        shift_m: the offset, which delineated stands have and a register's have not.
    """
    old = previous if "stand" in previous else previous.assign(stand=None)
    names = np.array([None if pd.isna(name) else str(name) for name in old["stand"]], object)
    ids = _by_id(stands, old, names)
    largest, same = _by_overlap(stands, _shifted(old, shift_m))
    largest, same = (np.where(ids >= 0, ids, one) for one in (largest, same))
    listed, ours = _of_register(old), _of_register(stands)
    found = np.flatnonzero(same >= 0)
    same[found[listed[same[found]] != ours[found]]] = -1
    alike = np.isin(listed, ours) if len(stands) else np.ones(len(old), bool)
    kept = _added(old[alike], stands)
    table = stands.assign(previous_stand=[names[row] if row >= 0 else None for row in largest])
    for column in kept:
        table[column] = old[column].reindex(same).set_axis(table.index)
    told = (*_told(old, names, same, kept), *_left(old[~alike], stands, kept), *_called_like_ours(old))
    return Succession(table, kept, told)


def _by_id(stands: gpd.GeoDataFrame, old: gpd.GeoDataFrame, names: NDArray[np.object_]) -> NDArray[np.int64]:
    """Row of the old map, int64 (stands,), that each has by a register's id; -1 for none."""
    found = np.full(len(stands), -1, np.int64)
    listed = pd.Series(np.arange(len(old)), index=names)[_of_register(old)]
    listed = listed[~listed.index.duplicated(keep=False)]
    for row in np.flatnonzero(_of_register(stands) & ~stands["stand"].duplicated(keep=False).to_numpy(bool)):
        at = listed.get(stands["stand"].iloc[row], -1)
        if at >= 0 and shapely.intersects(stands.geometry.iloc[row], old.geometry.iloc[at]):
            found[row] = at
    return found


def _by_overlap(stands: gpd.GeoDataFrame, old: NDArray[np.object_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the old map, int64 (stands,): the one that half of a stand lies in, and the one that is the same."""
    new = stands.geometry.to_numpy()
    largest, same = np.full((2, len(new)), -1, np.int64)
    a, b = shapely.STRtree(old).query(new, predicate="intersects")
    shared = shapely.area(shapely.intersection(new[a], old[b]))
    order = np.lexsort((b, a, -shared))
    a, b, shared = a[order], b[order], shared[order]
    of_new, of_old = shared / shapely.area(new)[a], shared / shapely.area(old)[b]
    best = np.unique(a, return_index=True)[1]
    half = best[of_new[best] >= _SHARE]
    largest[a[half]] = b[half]
    mutual = np.intersect1d(half, np.unique(b, return_index=True)[1])
    mutual = mutual[of_old[mutual] >= _SHARE]
    same[a[mutual]] = b[mutual]
    return largest, same


def _shifted(old: gpd.GeoDataFrame, shift_m: tuple[float, float]) -> NDArray[np.object_]:
    shapes = old.geometry.to_numpy().copy()
    drawn = ~_of_register(old)
    shapes[drawn] = shapely.transform(shapes[drawn], lambda xy: xy + shift_m)
    return np.asarray(shapes, object)


def _of_register(stands: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """Whether a register gives each stand's border, bool (n,); others were delineated, or drawn by people."""
    if "origin" not in stands:
        return np.zeros(len(stands), bool)
    return np.asarray((stands["origin"] == "register").to_numpy(bool, na_value=False), bool)


def _added(old: gpd.GeoDataFrame, stands: gpd.GeoDataFrame) -> tuple[str, ...]:
    """Columns of the earlier map that no map makes itself and the new stands do not have."""
    made = {*COLUMNS, *CHANGE_COLUMNS, "fid", "geom", old.geometry.name}
    known = {name.lower() for name in made} | {str(column).lower() for column in stands.columns}
    return tuple(str(c) for c in old.columns if str(c).lower() not in known and old[c].notna().any())


def _told(
    old: gpd.GeoDataFrame, names: NDArray[np.object_], same: NDArray[np.int64], kept: tuple[str, ...]
) -> list[str]:
    if not kept:
        return []
    lines = [f"{int((same >= 0).sum())} stands are those of the earlier map and keep {', '.join(kept)}"]
    written = old[list(kept)].notna().any(axis=1).to_numpy() & ~np.isin(np.arange(len(old)), same)
    if written.any():
        shown = [str(name) for name in names[written]]
        more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
        lines.append(f"what was written to stands that are no longer there stays in the earlier map alone: "
                     f"{', '.join(shown[:_LISTED])}{more}")  # fmt: skip
    return lines


def _left(old: gpd.GeoDataFrame, stands: gpd.GeoDataFrame, kept: tuple[str, ...]) -> Iterator[str]:
    """What people wrote to stands of the other origin: a register's ids and ages are not those of delineated stands."""
    left = [name for name in _added(old, stands) if name not in kept]
    if left:
        was = "of a register" if _of_register(old).any() else "without a register"
        yield f"{', '.join(left)} of stands {was} stay in the earlier map alone: this map's have another origin"


def _called_like_ours(old: gpd.GeoDataFrame) -> Iterator[str]:
    """Columns of people that would be taken for figures of the new flight."""
    names = {str(column).lower(): str(column) for column in old.columns}
    alone = [
        names[name]
        for group in _TOGETHER
        for name in group
        if name in names and not set(group) <= set(names) and old[names[name]].notna().any()
    ]
    if alone:
        yield (
            f"{', '.join(alone)} of stands stay in the earlier map alone: this map's own figures are called so; "
            "give them other names there to take them along"
        )
