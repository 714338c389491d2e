"""What a forest survey came to: the tables that every product is made from."""

from collections.abc import Iterator
from dataclasses import dataclass

import geopandas as gpd
import numpy as np

from models.card import ModelCard
from pipelines.forest.change import Change
from pipelines.forest.ground import Ground
from pipelines.forest.stands import CountError
from pipelines.forest.tree_types import TypesTold

__all__ = ["Results"]


@dataclass(frozen=True, slots=True)
class Results:
    """A survey's tables, all in the plane CRS of `ground`.

    Attributes:
        survey: the orthophoto's name.
        date: YYYY-MM-DD of the flight, "" where nobody says it.
        card: of the model that saw the crowns.
        gsd_m: ground sampling distance of the orthophoto.
        crowns: from `crown_frame`, with heights perhaps.
        mesh: from `mesh20m`.
        stands: from `stand_table`.
        gaps: from `gaps`.
        extent: one row, the photographed ground.
        rejected: tiles that could not be read.
        ground: cells of what was photographed and covered.
        error: of counts.
        n_full: tiles that showed as many boxes as the model keeps of a picture.
        register_columns: of `stands`, those that the register has given.
        types: how types of trees were told, where people named some; where that worked, `crowns` has
            `type` and `stands` have shares.
        change: since an earlier flight, where there is one; then `mesh` and `stands` hold what changed in each.
    """

    survey: str
    date: str
    card: ModelCard
    gsd_m: float
    crowns: gpd.GeoDataFrame
    mesh: gpd.GeoDataFrame
    stands: gpd.GeoDataFrame
    gaps: gpd.GeoDataFrame
    extent: gpd.GeoDataFrame
    rejected: gpd.GeoDataFrame
    ground: Ground
    error: CountError
    n_full: int
    register_columns: tuple[str, ...] = ()
    types: TypesTold | None = None
    change: Change | None = None

    @property
    def area_ha(self) -> float:
        """What was photographed and looked at."""
        return float(self.ground.seen.sum()) * self.ground.cell_m2 / 1e4

    @property
    def n_counted(self) -> int:
        """Crowns that count as stems."""
        return int(self.crowns["counted"].sum())

    def lines(self) -> Iterator[str]:
        """What was found, a sentence each."""
        cover = 100 * float(self.ground.cover.sum()) / max(1.0, float(self.ground.seen.sum()))
        per_ha = self.n_counted / self.area_ha if self.area_ha else 0.0
        found = f"{self.n_counted:,} crowns ({per_ha:,.0f} per ha), cover {cover:.0f} %"
        yield f"{self.area_ha:,.2f} ha photographed, {found}"
        if len(self.crowns) > self.n_counted:
            yield f"{len(self.crowns) - self.n_counted:,} more crowns are drawn, but not counted"
        if "height_m" in self.crowns:
            by = self.crowns["seen_by"].value_counts()
            kinds = (("both", "seen in both"), ("image", "in the image alone"), ("chm", "in the height model alone"))
            share = 100 * self.ground.measured_share
            if np.isfinite(share):
                yield f"heights cover {share:.3g} % of it; means are given where they cover half or more"
            yield "crowns " + ", ".join(f"{by.get(key, 0):,} {name}" for key, name in kinds)
        n_gaps = int((self.gaps["kind"] == "gap").sum())
        yield f"{len(self.stands):,} stands, {len(self.mesh):,} meshes of 20 m, {n_gaps:,} canopy gaps"
        yield self.error.line()
        if self.types is not None:
            yield self.types.line()
        if self.change is not None:
            yield from self.change.lines()
        if len(self.rejected):
            yield f"{len(self.rejected)} tiles could not be read, see the layer rejected"
        if self.n_full:
            yield (
                f"warning: {self.n_full} tiles showed as many boxes as the model keeps of one picture "
                f"({self.card.suppression.max_boxes}), so crowns may be missing: set forest.orthophoto.tile_px lower"
            )
