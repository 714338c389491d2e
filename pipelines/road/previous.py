"""What became of the defects of an earlier survey: new, same, worse, gone, or not looked at this time.

The older table is a GeoPackage that people have worked on in QGIS since: what they set (status, class, notes,
assignee, columns of their own) stays with the defect, and so does its uuid. What was measured is taken from the new
survey.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial import KDTree

from geo.crs import to_plane
from geo.errors import LayerError
from geo.geopackage import read_layer
from geo.network import Roads
from pipelines.errors import SurveyError
from pipelines.road.classes import CLASSES, family_bits, name_en, name_ja
from pipelines.road.features import DEFECT_COLUMNS, NAMESPACE
from pipelines.road.merging import MergeGates, Runs, merge
from pipelines.road.sightings import Array, Index
from pipelines.road.status import FIRST, seen_again, status_of

FrameHash = Callable[[str], str | None]
"""From a frame's name to what identifies its file's content: "" where that cannot be read, None for no such frame."""

_TEXT = ("class", "link", "frame", "frame_hash")
_NUMBERS = (
    *("length_m", "width_m", "area_m2", "size_sd_m", "score", "confidence", "position_sd_m", "chainage_m"),
    *("offset_m", "heading_deg", "box_x1", "box_y1", "box_x2", "box_y2"),
)
# Made anew from the new survey: an old value would contradict the row it stands in.
_DERIVED = {
    *(
        "rank",
        "listed",
        "priority",
        "terms",
        "judgement",
        "road_name",
        "road_name_en",
        "road_class",
        "lat",
        "lon",
        "photo",
    ),
    *("reasons_ja", "reasons_en", "change", "growth_m", "n_surveys", "status", "note", "found_as", "fid"),
    "beside_road",
}
_NAMES_A_FILE = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
"""What an id may be: the photo of a defect is called by it."""
_MADE_HERE = frozenset({"class_found", "class_written", "status_written", "geometry"})
# Size is uncertain by this share of itself where a table does not say.
_SIZE_SHARE = 0.25
# A point farther from where its survey found it than this is another thing that somebody made of the row.
_MOVED_M = 30.0
# A larger claim says that the place is not known at all; it must not widen the search without end.
_MOST_SD_M = 5.0


class PreviousParams(BaseModel):
    """When a defect of the last survey is the one seen now, and has grown or gone (params.yaml, section `previous`).

    Attributes:
        same_m: defects farther apart, after both uncertainties, are different ones.
        gate_sigmas: and so are those that many standard deviations apart.
        extent_share: part of a defect's size by which its apparent middle may wander between surveys.
        track_memory_m: driving over which the difference of two tracks keeps its value, m.
        view_share: share of a position's variance that neighbouring defects of a survey do not have in common.
        unknown_sd_m: standard deviation of places that state none (points that people set by hand), m per axis.
        growth_sigmas: growth counts beyond that many standard deviations of the two sizes' difference.
        least_growth_m: and only from this on, m of mean diameter.
        covered_share: share of the place that the new survey must have seen for a defect not found to be gone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    same_m: float = Field(default=3.0, gt=0)
    gate_sigmas: float = Field(default=3.0, gt=0)
    extent_share: float = Field(default=0.25, ge=0)
    track_memory_m: float = Field(default=60.0, gt=0)
    view_share: float = Field(default=0.3, gt=0, lt=1)
    unknown_sd_m: float = Field(default=1.5, gt=0)
    growth_sigmas: float = Field(default=2.0, gt=0)
    least_growth_m: float = Field(default=0.05, ge=0)
    covered_share: float = Field(default=0.75, gt=0, le=1)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Which rows make up each row of the result, (n,) int64 each: row of the new table, of the old one, -1 for none."""

    now: Index
    was: Index


def read_previous(path: Path) -> gpd.GeoDataFrame:
    """The layer `defects` of an earlier survey's GeoPackage, as people left it.

    Features without a place are left out; a feature that someone added by hand gets a uuid from its place.

    Raises:
        SurveyError: no such file, or not one that a road survey wrote.
    """
    remedy = "Give the road.gpkg of an earlier run"
    try:
        table = read_layer(Path(path), "defects")
    except LayerError as error:
        raise SurveyError(f"the previous survey cannot be read: {error.what}", where=path, remedy=remedy) from error
    missing = {"uuid", "class"} - set(table.columns)
    if missing or not isinstance(table, gpd.GeoDataFrame) or table.crs is None:
        lacks = f"no column {', '.join(sorted(missing))}" if missing else "no places or no CRS"
        raise SurveyError(f"not a road survey: its defects have {lacks}", where=path, remedy=remedy)
    placed = ~(table.geometry.is_empty | table.geometry.isna()).to_numpy()
    table = table[placed].reset_index(drop=True)
    places = gpd.GeoSeries(shapely.centroid(table.geometry.to_numpy()), crs=table.crs)
    table = gpd.GeoDataFrame(pd.DataFrame(table).drop(columns=table.geometry.name), geometry=places)
    table["uuid"] = _with_uuids(table)
    return table


def open_previous(path: Path | None) -> gpd.GeoDataFrame | None:
    """As `read_previous`; None without a path."""
    return None if path is None else read_previous(path)


def compare(
    defects: gpd.GeoDataFrame,
    previous: gpd.GeoDataFrame | None,
    seen: gpd.GeoDataFrame,
    date: dt.date,
    params: PreviousParams | None = None,
    frame_hash: FrameHash = lambda _name: None,
) -> gpd.GeoDataFrame:
    """Join a survey's defects with those of the last one.

    Defects are matched one to one within a family of classes, after removing the shift that neighbours have in common
    (two surveys' tracks never lie on one another). A class that a person set stays: such a defect is looked for under
    that class and under the one it was found as. `change` becomes `new`, `same`, `worse` (grown beyond what the two
    measurements leave open), `gone` (not found where the new survey looked) or `not_seen` (it did not look there).
    It is "" without a previous survey, and for what nobody can find again: what was merged, and a point that someone
    added without a class, where the new survey looked.

    Results of the very same frames are no earlier survey: what people set is taken over, counts, `change` and states
    stay as they were, and what is not found any more is left out unless people worked on it. Frames are the same by
    name and content. Results that do not state the content count as of these frames where the day and the name are
    the same and the defect is found again; what is not found again stays.

    Args:
        defects: as from `consolidate`.
        previous: as from `read_previous`, in any CRS; None for a first survey.
        seen: polygons of the ground that the new survey saw near enough to find what is there, in any CRS.
        date: of the new survey.
        params: when two defects are one.
        frame_hash: tells the new survey's frames from others of the same name.

    Returns:
        A new table, the survey's defects in their order and then the old ones that were not found. To the columns of
        `defects` it adds `status`, `change`, `note`, `growth_m` (NaN without a match), `n_surveys`, `class_found` (the
        class; where a person set another, what it was before: "" for what people added), `class_written` and
        `status_written` (class and state before anybody looked at these frames, by which it shows what people set),
        `found_as` (the uuid in `defects`; "" for rows only carried over), `frame_hash` (of `frame`) and the columns
        that people added.

    Raises:
        SurveyError: the previous survey is the newer one.
    """
    knobs = params or PreviousParams()
    new = defects.reset_index(drop=True)
    new["frame_hash"] = np.array([frame_hash(str(name)) or "" for name in new["frame"]], object)
    if previous is None:
        return _first(new)
    refuse_newer(previous, date)
    old = previous.to_crs(defects.crs).reset_index(drop=True)
    match = _matched(new, old, knobs)
    again = _of_these_frames(old, new, match, date, frame_hash)
    lost = np.setdiff1d(np.flatnonzero(~again | _worked_on(old, new)), match)
    pairs = _Pairs(np.append(np.arange(len(new)), np.full(len(lost), -1)), np.append(match, lost))
    growth, worse = _growth(new, old, pairs, knobs)
    table = _joined(new, old, pairs, again)
    table["growth_m"] = growth
    table["change"] = _changes(old, pairs, worse, _share_seen(old, seen, knobs) >= knobs.covered_share, again)
    table["uuid"] = _distinct(table["uuid"].tolist(), pairs, date)
    return table


def on_roads(compared: gpd.GeoDataFrame, roads: Roads | None, params: PreviousParams | None = None) -> gpd.GeoDataFrame:
    """The table with every defect where it lies along the new survey's roads.

    What was found now keeps the link that its sightings were snapped to; its chainage and offset become those of its
    place. The links of old defects that were not found again are those of the earlier survey's roads: its `track-1` is
    another road than this one's.

    Args:
        compared: as from `compare`, in the CRS of the roads.
        roads: the new survey's; None where it has none.
        params: how uncertain places are that do not say it.

    Returns:
        A new table. What is only carried over has the `link`, `chainage_m` and `offset_m` of the road that its place
        (and its heading, where known) fits best: "" and NaN off the roads. What lies on a road of the roads file that
        this survey does not reach stays there.
    """
    table = compared.copy()
    carried = (table["found_as"] == "").to_numpy(bool)
    if roads is not None:
        link = table["link"].fillna("").astype(str)
        reached = link.isin([*roads.links["link"], ""]) | link.str.startswith("track-")
        carried = carried & reached.to_numpy(bool)
    table.loc[carried, "link"] = ""
    table.loc[carried, ["chainage_m", "offset_m"]] = np.nan
    if roads is None or table.empty:
        return table
    xy = shapely.get_coordinates(shapely.centroid(table.geometry.to_numpy()))
    held = table["link"].fillna("").astype(str).to_numpy(object)
    heading, sd = _numbers(table["heading_deg"]), _sd(table, params or PreviousParams())
    on = roads.snap(xy[:, 0], xy[:, 1], heading, sd, held)
    stays = carried | ((table["found_as"] != "").to_numpy(bool) & (held != "") & (on.link == held))
    table.loc[carried, "link"] = on.link[carried]
    table.loc[stays, "chainage_m"], table.loc[stays, "offset_m"] = on.chainage_m[stays], on.offset_m[stays]
    return table


def called_now(membership: pd.Series[str], compared: gpd.GeoDataFrame) -> pd.Series[str]:
    """The uuid that each box's defect is published under: one known from the last survey has that survey's.

    Args:
        membership: uuid in `defects` for each observation, "" for none; as from `consolidate`.
        compared: as from `compare`.

    Returns:
        As `membership`, with uuids of `compared`.
    """
    names = dict(zip(compared["found_as"], compared["uuid"], strict=True)) | {"": ""}
    return membership.map(lambda one: names.get(one, one))


def _first(defects: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The table of a first survey."""
    found = defects["class"].to_numpy()
    named = {"class_found": found, "class_written": found, "status_written": FIRST}
    named["found_as"] = defects["uuid"].to_numpy()
    return defects.assign(status=FIRST, note="", growth_m=np.nan, n_surveys=1, change="", **named)


def refuse_newer(previous: gpd.GeoDataFrame | None, date: dt.date, where: Path | None = None) -> None:
    """A survey of that date is compared with an earlier one.

    Raises:
        SurveyError: the previous one is the newer.
    """
    if previous is None or "last_seen" not in previous.columns:
        return
    last = _days(previous["last_seen"]).max()
    # The last survey's days may have been counted in another time zone than this one's.
    if not pd.isna(last) and last.date() > date + dt.timedelta(days=1):
        raise SurveyError(
            f"the previous survey saw its defects until {last.date()}, after this one of {date}",
            where=where,
            remedy="Compare the newer survey with the older one",
        )


def _with_uuids(table: gpd.GeoDataFrame) -> list[str]:
    """The stated uuids, one made of those that could not name a photo's file; from the place where there is none.

    Copies get one from their place, too: QGIS copies a feature with its uuid.
    """
    found: list[str] = []
    known: set[str] = set()
    for said, shape in zip(table["uuid"], table.geometry, strict=True):
        name = "" if _absent(said) else str(said).strip()
        if name and not _NAMES_A_FILE.fullmatch(name):
            name = str(uuid.uuid5(NAMESPACE, name))
        if not name or name in known:
            name = str(uuid.uuid5(NAMESPACE, f"{name}|{shape.x:.2f},{shape.y:.2f}|{len(found)}"))
        found.append(name)
        known.add(name)
    return found


def _of_these_frames(
    old: gpd.GeoDataFrame, new: gpd.GeoDataFrame, match: Index, date: dt.date, frame_hash: FrameHash
) -> NDArray[np.bool_]:
    """(old,) bool: rows last seen on the new survey's frames: results of this very survey, made before."""
    names, stated = _text(old, "frame"), _text(old, "frame_hash")
    here = np.array([frame_hash(name) for name in names], object)
    there, told = np.array([one is not None for one in here], bool), (stated != "") & (here != "")
    likely = there & np.isin(np.arange(len(old)), match) & _of_these_days(old, new, date)
    return np.asarray(np.where(told, stated == here, likely), bool)


def _of_these_days(old: gpd.GeoDataFrame, new: gpd.GeoDataFrame, date: dt.date) -> NDArray[np.bool_]:
    """(old,) bool: rows last seen on a day of the new survey; a drive may go on over midnight."""
    if "last_seen" not in old.columns:
        return np.zeros(len(old), bool)
    days = _days([pd.Timestamp(date), *_column(new, "first_seen"), *_column(new, "last_seen")])
    return _days(old["last_seen"]).isin(days.dropna()).to_numpy(bool)


def _worked_on(old: gpd.GeoDataFrame, new: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """(old,) bool: rows in which people set or wrote something."""
    touched = np.array([status_of(one) != FIRST for one in _column(old, "status")], bool)
    touched |= (_text(old, "note") != "") | (_text(old, "class") != _class_found(old))
    for column in _theirs(old, new):
        touched |= _text(old, column) != ""
    return touched


def _theirs(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    """Columns that people added."""
    made = {*new.columns, *DEFECT_COLUMNS, *_DERIVED, *_MADE_HERE}
    return [column for column in old.columns if column not in made]


def _matched(new: gpd.GeoDataFrame, old: gpd.GeoDataFrame, knobs: PreviousParams) -> Index:
    """(new,) int64: the old row that each defect is, -1 for none."""
    match = np.full(len(new), -1, np.int64)
    merged = np.array([status_of(s) == "merged" for s in _column(old, "status")], bool)
    classed = _text(old, "class") != ""
    xy = shapely.get_coordinates(old.geometry.to_numpy())

    def match_with(able: NDArray[np.bool_]) -> None:
        # Near a junction a defect is snapped now to one link, now to the other: what is left is tried without links.
        for use_links in (True, False):
            a, b = np.flatnonzero(match < 0), np.setdiff1d(np.flatnonzero(able), match)
            if len(a) and len(b):
                found = _pairing(new.iloc[a], old.iloc[b], knobs, use_links=use_links)
                match[a] = np.where(found >= 0, b[found], -1)

    # A point of no class cannot be seen again.
    match_with(classed & ~merged)
    # What people merged into another feature may well be found twice again, beside that one.
    again = xy[match[match >= 0]]
    beside = KDTree(again).query(xy)[0] <= 2 * knobs.same_m if len(again) else np.zeros(len(old), bool)
    match_with(classed & merged & beside)
    return match


def _pairing(new: gpd.GeoDataFrame, old: gpd.GeoDataFrame, knobs: PreviousParams, *, use_links: bool) -> Index:
    """(new,) int64: the old row of each, -1 for none."""
    n = len(old)
    links = np.append(_text(old, "link"), _text(new, "link")) if use_links else np.full(n + len(new), "", object)
    xy = np.vstack([_found_at(old), shapely.get_coordinates(new.geometry.to_numpy())])
    sd = np.append(_sd(old, knobs), _sd(new, knobs))
    runs = Runs(
        xy_m=xy,
        cov_view=knobs.view_share * np.square(sd)[:, None, None] * np.eye(2),
        track_sd_m=np.sqrt(1 - knobs.view_share) * sd,
        extent_m=np.nan_to_num(np.append(_mean_size(old), _mean_size(new))),
        family=_families(old, new),
        passes=np.repeat([0, 1], [n, len(new)]),
        frames=[frozenset[int]()] * len(xy),
        links=[frozenset({str(link)} - {""}) for link in links],
    )
    gates = MergeGates(knobs.same_m, knobs.gate_sigmas, 0.0, knobs.extent_share, knobs.track_memory_m, 0.0)
    label = merge(runs, gates)
    row = np.full(int(label.max()) + 1, -1, np.int64)
    row[label[:n]] = np.arange(n)
    return row[label[n:]]


def _found_at(old: gpd.GeoDataFrame) -> Array:
    """(old, 2) map m: where each was found, though people may have moved its point since.

    `lat` and `lon` are as the survey wrote them. Of a copy they are those of the original, so that its point counts.
    """
    xy: Array = shapely.get_coordinates(old.geometry.to_numpy())
    if not {"lat", "lon"} <= set(old.columns):
        return xy
    lon, lat = _numbers(old["lon"]), _numbers(old["lat"])
    written = np.column_stack(to_plane(old.crs, lon, lat))
    moved = np.linalg.norm(written - xy, axis=1)
    order = pd.Series(moved).sort_values(kind="stable").index
    first = ~pd.DataFrame({"lon": lon, "lat": lat}).loc[order].duplicated().reindex(range(len(old))).to_numpy(bool)
    kept = first & (moved <= _MOVED_M)
    found: Array = np.where(kept[:, None], written, xy)
    return found


def _families(old: pd.DataFrame, new: pd.DataFrame) -> Index:
    """(old + new,) int64: a bit for each family that a defect may be found as: what people call it, and what it was."""
    called = [*_text(old, "class"), *_text(new, "class")]
    said, was = np.split(family_bits([*called, *_class_found(old), *_text(new, "class")]), 2)
    return said | was


def _class_found(old: pd.DataFrame) -> NDArray[np.object_]:
    """(old,) what each defect was called before people set its class; "" for what they added.

    Results that do not state it show it in `class_ja`, which a person who corrects `class` does not touch.
    """
    if "class_found" in old.columns:
        return _text(old, "class_found")
    of_name = {name_ja(name): name for name in CLASSES}
    kind = _text(old, "class")
    return np.array([of_name.get(ja, one) for ja, one in zip(_text(old, "class_ja"), kind, strict=True)], object)


def _growth(
    new: gpd.GeoDataFrame, old: gpd.GeoDataFrame, pairs: _Pairs, knobs: PreviousParams
) -> tuple[Array, NDArray[np.bool_]]:
    """Growth of each row's mean diameter in m (NaN without a match), and whether it is beyond doubt."""
    both = (pairs.now >= 0) & (pairs.was >= 0)
    a, b = pairs.now[both], pairs.was[both]
    growth, worse = np.full(len(both), np.nan), np.zeros(len(both), bool)
    growth[both] = _mean_size(new)[a] - _mean_size(old)[b]
    doubt = np.hypot(_size_sd(new)[a], _size_sd(old)[b])
    worse[both] = growth[both] > np.maximum(knobs.growth_sigmas * doubt, knobs.least_growth_m)
    return growth, worse


def _share_seen(old: gpd.GeoDataFrame, seen: gpd.GeoDataFrame, knobs: PreviousParams) -> Array:
    """(old,) float64: share of a disc around each old place, its standard deviation in radius, that was seen."""
    share = np.zeros(len(old))
    ground = seen.geometry.to_crs(old.crs).to_numpy() if len(seen) else np.empty(0, object)
    discs = shapely.buffer(shapely.centroid(old.geometry.to_numpy()), np.maximum(_sd(old, knobs), 0.25))
    place, piece = shapely.STRtree(ground).query(discs, predicate="intersects")
    for k in np.unique(place):
        covered = shapely.intersection(shapely.union_all(ground[piece[place == k]]), discs[k])
        share[k] = shapely.area(covered) / shapely.area(discs[k])
    return share


def _changes(
    old: gpd.GeoDataFrame,
    pairs: _Pairs,
    worse: NDArray[np.bool_],
    looked: NDArray[np.bool_],
    again: NDArray[np.bool_],
) -> list[str]:
    """The change of each row."""
    before, status, kind = _text(old, "change"), _column(old, "status"), _text(old, "class")
    # Results of the same frames that were compared with nothing leave nothing to compare with.
    first = bool(again.any()) and not (before != "").any()
    changes = []
    for now, was, grown in zip(pairs.now, pairs.was, worse, strict=True):
        if was >= 0 and again[was]:
            changes.append(before[was])
        elif now >= 0:
            changes.append("" if was < 0 and first else "new" if was < 0 else "worse" if grown else "same")
        elif status_of(status[was]) == "merged" or (looked[was] and not kind[was]):
            # A point of no class cannot be found again, so that not finding it says nothing.
            changes.append("")
        else:
            changes.append("gone" if looked[was] or (before[was] == "gone" and kind[was]) else "not_seen")
    return changes


def _joined(new: gpd.GeoDataFrame, old: gpd.GeoDataFrame, pairs: _Pairs, again: NDArray[np.bool_]) -> gpd.GeoDataFrame:
    """Every row's columns: measured ones from the new survey where it saw the defect, people's ones from the old."""
    now, was = pd.DataFrame(new).reindex(pairs.now), pd.DataFrame(old).reindex(pairs.was)
    now, was = now.reset_index(drop=True), was.reset_index(drop=True)
    found, known = pairs.now >= 0, pairs.was >= 0
    repeated = known & np.append(again, False)[pairs.was]

    def counted(name: str) -> NDArray[np.int64]:
        """Both surveys' together; of the same frames once."""
        one, other = _count(now, name), _count(was, name)
        return np.where(repeated, np.maximum(one, other), one + other)

    def latest(name: str) -> list[object]:
        values = np.where(found, _column(now, name), _column(was, name))
        return [None if _absent(value) else value for value in values]

    both = {name: _days([*_column(now, name), *_column(was, name)]).to_numpy() for name in ("first_seen", "last_seen")}
    before = [status_of(one) for one in _column(was, "status")]
    status = [seen_again(s) if f else s for s, f in zip(before, found & known & ~repeated, strict=True)]
    was = was.assign(class_found=_class_found(was))
    by_people = (_text(was, "class") != "") & (_text(was, "class") != was["class_found"].to_numpy(object))
    table: dict[str, object] = {
        "uuid": np.where(known, _column(was, "uuid"), _column(now, "uuid")),
        **{name: [str(v or "") for v in latest(name)] for name in _TEXT},
        "class_found": np.where(found & ~by_people, _text(now, "class"), was["class_found"]),
        **{name: _numbers(latest(name)) for name in _NUMBERS},
        "depth": "unknown",
        "n_seen": counted("n_seen"),
        "n_looked": counted("n_looked"),
        "n_passes": np.maximum(counted("n_passes"), 1),
        "first_seen": np.fmin(*np.split(both["first_seen"], 2)),
        "last_seen": np.fmax(*np.split(both["last_seen"], 2)),
        "footprint": [shape if f else None for shape, f in zip(_column(now, "footprint"), found, strict=True)],
        "status": status,
        # What people set on these very frames was set by looking at them.
        "status_written": np.where(repeated, _text(was, "status_written"), status),
        "note": _text(was, "note"),
        "n_surveys": (found & ~repeated) + np.where(known, np.maximum(_count(was, "n_surveys"), 1), 0),
        "found_as": _text(now, "uuid"),
    }
    frame = pd.DataFrame(table)
    frame["class"] = np.where(by_people, _text(was, "class"), frame["class"])
    frame["class_written"] = np.where(repeated, _text(was, "class_written"), frame["class"])
    frame["class_ja"], frame["class_en"] = frame["class"].map(name_ja), frame["class"].map(name_en)
    theirs = _theirs(old, new)
    others = [c for c in new.columns if c not in {*frame.columns, "geometry"}]
    frame = pd.concat([frame, now[others], was[theirs]], axis=1)
    shapes = np.where(found, now["geometry"].to_numpy(object), was["geometry"].to_numpy(object))
    leading = [name for name in new.columns if name != "geometry"]
    order = [*leading, *[name for name in frame.columns if name not in leading]]
    return gpd.GeoDataFrame(frame[order], geometry=list(shapes), crs=new.crs)


def _distinct(names: list[str], pairs: _Pairs, date: dt.date) -> list[str]:
    """A new defect does not take the uuid of an old one (a survey compared with an earlier run of itself)."""
    taken = {name for name, was in zip(names, pairs.was, strict=True) if was >= 0}
    return [
        str(uuid.uuid5(NAMESPACE, f"{name}|{date}")) if was < 0 and name in taken else name
        for name, was in zip(names, pairs.was, strict=True)
    ]


def _column(table: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """The column as objects, None where the table lacks it."""
    return table[name].to_numpy(object) if name in table.columns else np.full(len(table), None, object)


def _text(table: pd.DataFrame, name: str) -> NDArray[np.object_]:
    return np.array(["" if _absent(v) else str(v) for v in _column(table, name)], object)


def _absent(value: Any) -> bool:
    return bool(pd.isna(value))


def _numbers(values: Iterable[object]) -> Array:
    """(n,) float64; NaN for what is missing or no number."""
    plain = pd.Series([np.nan if _absent(v) else v for v in values], dtype=object)
    return np.asarray(pd.to_numeric(plain, errors="coerce"), np.float64)


def _count(table: pd.DataFrame, name: str) -> Index:
    return np.nan_to_num(_numbers(_column(table, name))).astype(np.int64)


def _days(values: Iterable[object]) -> pd.Series[pd.Timestamp]:
    """Days without a time zone, whatever kind of date or text they came as."""
    read = pd.to_datetime(pd.Series(list(values), dtype=object), utc=True, errors="coerce", format="mixed")
    return read.dt.tz_localize(None).dt.floor("D")


def _sd(table: pd.DataFrame, knobs: PreviousParams) -> Array:
    sd = _numbers(_column(table, "position_sd_m"))
    return np.minimum(np.where(sd > 0, sd, knobs.unknown_sd_m), _MOST_SD_M)


def _mean_size(table: pd.DataFrame) -> Array:
    """(n,) float64 m: mean of length and width, NaN where unknown."""
    return (_numbers(_column(table, "length_m")) + _numbers(_column(table, "width_m"))) / 2


def _size_sd(table: pd.DataFrame) -> Array:
    sd = _numbers(_column(table, "size_sd_m"))
    return np.where(sd > 0, sd, _SIZE_SHARE * np.nan_to_num(_mean_size(table)))
