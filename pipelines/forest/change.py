"""What changed between two flights over the same forest.

offset → pair crowns → what chance takes → mesh and stands → areas of canopy loss
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np

from pipelines.errors import SurveyError
from pipelines.forest.chance import Chance, learn_chance
from pipelines.forest.counting import cover_noise, loss_ha, mesh_changes, stand_changes
from pipelines.forest.ground import Ground
from pipelines.forest.losses import loss_areas
from pipelines.forest.offset import Offset
from pipelines.forest.overlay import overlaid
from pipelines.forest.params import ForestParams
from pipelines.forest.previous import Previous
from pipelines.forest.succession import CHANGE_COLUMNS, succeeded

__all__ = ["Change", "Flown", "compare"]

_LEAST_SHARED_M2 = 400.0
_SAME_SHARE = 0.5
_COARSER = 1.25


@dataclass(frozen=True, slots=True)
class Flown:
    """A new flight's map, all in one plane: see `pipelines.forest.results.Results`; `date` is "" if unknown."""

    ground: Ground
    crowns: gpd.GeoDataFrame
    mesh: gpd.GeoDataFrame
    stands: gpd.GeoDataFrame
    gsd_m: float
    model_sha256: str
    date: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What changed since an earlier flight.

    Attributes:
        since: name of the earlier survey.
        offset: between the two maps; it was removed.
        chance: what chance does to crowns, measured on undisturbed ground.
        areas: canopy loss beyond chance, from `loss_areas`.
        mesh: the new map's, with `CHANGE_COLUMNS` but for the first and last.
        stands: the new map's, with `CHANGE_COLUMNS` and what people added to the earlier one.
        kept: names of what people added.
        shared_ha: ground that both flights photographed.
        compared_ha: that of it on which crowns are compared: not nearer than `edge_m` to its border, which cuts them.
        n_before: old counted crowns compared.
        n_now: new counted crowns there.
        lost: old ones not found again.
        gained: new ones that were not there before.
        cover_noise_pct: standard deviation of the change in cover of undisturbed meshes, points; nan if unknown.
        notes: what to tell people, one sentence each.
        order_known: whether both flights have a day, so that the earlier one is known to be so.
    """

    since: str
    offset: Offset
    chance: Chance
    areas: gpd.GeoDataFrame
    mesh: gpd.GeoDataFrame
    stands: gpd.GeoDataFrame
    kept: tuple[str, ...]
    shared_ha: float
    compared_ha: float
    edge_m: float
    n_before: int
    n_now: int
    lost: int
    gained: int
    cover_noise_pct: float
    notes: tuple[str, ...]
    order_known: bool = True

    def lines(self) -> Iterator[str]:
        """What was found, a sentence each."""
        yield (
            f"compared with {self.since}: both flights photographed {self.shared_ha:,.2f} ha; crowns are compared on "
            f"{self.compared_ha:,.2f} ha of them, those within {self.edge_m:.3g} m of the border are left out"
        )
        yield _offset_line(self.offset)
        yield f"{self.n_before:,} crowns then, {self.n_now:,} now: {self.lost:,} not found again, {self.gained:,} new"
        measured = f"measured on {self.chance.n:,}" if self.chance.n else "assumed: too little is undisturbed"
        yield (
            f"of crowns on undisturbed ground {100 * self.chance.found_again:.0f} % are found again ({measured}), "
            f"so losses of up to {100 - 100 * self.chance.found_again:.0f} % are chance"
        )
        if np.isfinite(self.cover_noise_pct):
            yield f"cover of an undisturbed mesh changes by ±{self.cover_noise_pct:.0f} points (sd) without any cause"
        n, area = len(self.areas), self.areas["area_m2"].sum() / 1e4
        yield f"canopy loss beyond chance: {n} areas, {area:,.2f} ha" if n else "no canopy loss beyond chance was found"
        if not self.order_known:
            yield (
                "warning: the day of one flight or both is unknown, so nobody checked that the earlier map is of the "
                "earlier flight (--date says it); the other way round, growth is shown as loss"
            )
        yield from self.notes


def _offset_line(offset: Offset) -> str:
    if not offset.told:
        return (
            f"warning: the offset of the two maps cannot be told ({offset.why_not}): not shifted, losses are doubtful"
        )
    north = f"{abs(offset.north_m):.2f} m {'north' if offset.north_m >= 0 else 'south'}"
    east = f"{abs(offset.east_m):.2f} m {'east' if offset.east_m >= 0 else 'west'}"
    left = f"{offset.residual_m:.2f} m in the median, {offset.residual_p95_m:.2f} m at the 95th percentile"
    return (
        f"the earlier map was moved {east} and {north} (±{offset.sd_m:.2f} m, sd per axis, {offset.n_pairs:,} crowns); "
        f"{left} are left"
    )


def compare(previous: Previous, flown: Flown, params: ForestParams) -> Change:
    """Compare a new map with an earlier one of the same ground.

    Raises:
        SurveyError: both show the same flight, or share no ground.
    """
    _refuse_same(previous, flown)
    knobs = params.change
    over = overlaid(previous, flown.crowns, flown.ground, knobs, params.canopy)
    shared = float(over.both.sum()) * flown.ground.cell_m2
    if shared < _LEAST_SHARED_M2:
        raise SurveyError("the two flights photographed no ground in common", where=previous.path)
    tally = over.tally()
    chance = learn_chance(tally, knobs)
    over = replace(over, old=over.old.assign(risk=chance.lost(tally.score)))
    odds = knobs.prior / (1 - knobs.prior) / (1 if over.offset.told else knobs.doubted)
    areas = loss_areas(over, tally, chance, knobs, odds / (1 + odds))
    mesh = mesh_changes(flown.mesh, over, chance, params.mesh.seen_share)
    followed = succeeded(flown.stands, previous.stands, (over.offset.east_m, over.offset.north_m))
    stands = stand_changes(followed.stands, over, chance)
    stands["loss_ha"] = loss_ha(stands, areas)
    notes = (*_differences(previous, flown), *_imbalance(chance), *followed.lines)
    return Change(
        since=previous.name,
        offset=over.offset,
        chance=chance,
        areas=areas,
        mesh=mesh,
        stands=_ordered(stands, flown.stands, followed.kept),
        kept=followed.kept,
        shared_ha=shared / 1e4,
        compared_ha=float(over.inner.sum()) * flown.ground.cell_m2 / 1e4,
        edge_m=over.edge_m,
        n_before=len(over.old),
        n_now=over.n_now,
        lost=int(over.old["lost"].sum()),
        gained=len(over.gained),
        cover_noise_pct=cover_noise(mesh, areas),
        notes=notes,
        order_known=bool(flown.date) and previous.date is not None,
    )


def _refuse_same(previous: Previous, flown: Flown) -> None:
    if "uuid" not in previous.crowns or not len(flown.crowns):
        return
    # A crown's uuid is its place to the decimetre and its size: no two flights share many.
    again = float(previous.crowns["uuid"].isin(set(flown.crowns["uuid"])).mean())
    if again > _SAME_SHARE:
        what = (
            f"the earlier map shows this very flight: {100 * again:.0f} % of its crowns are the same to the decimetre"
        )
        raise SurveyError(what, where=previous.path, remedy="Give the forest.gpkg of another flight")


def _differences(previous: Previous, flown: Flown) -> Iterator[str]:
    """What besides the forest may have made the maps differ."""
    if previous.model_sha256 != flown.model_sha256:
        yield "warning: another model saw the earlier flight: what it finds and misses looks like change"
    ratio = flown.gsd_m / previous.gsd_m
    if np.isfinite(ratio) and max(ratio, 1 / ratio) > _COARSER:
        was, now = (f"{100 * gsd:.1f} cm" for gsd in (previous.gsd_m, flown.gsd_m))
        yield f"warning: the flights are of {was} and {now} a pixel: what the coarser one misses looks like change"


def _imbalance(chance: Chance) -> Iterator[str]:
    """Chance takes and gives alike; where it only takes, everywhere, the forest was thinned or the flight saw less."""
    taken = 1 - chance.found_again
    if chance.n and taken > 0.3 and chance.gained < taken / 2:
        yield (
            f"warning: elsewhere, too, {100 * taken:.0f} % of the crowns are gone and only {100 * chance.gained:.0f} % "
            f"as many are new: a thinning, a season without leaves, or a flight that saw less"
        )


def _ordered(stands: gpd.GeoDataFrame, given: gpd.GeoDataFrame, kept: tuple[str, ...]) -> gpd.GeoDataFrame:
    """The stands' own columns, then what changed, then what people added."""
    own = [column for column in given.columns if column != "geometry"]
    return stands[[*own, *CHANGE_COLUMNS, *kept, "geometry"]]
