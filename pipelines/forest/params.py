"""`params.yaml`, section `forest`: every knob of the forest job."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from pipelines.orthophoto import OrthoParams
from pipelines.params import read_knobs

__all__ = ["CanopyParams", "ChangeParams", "ForestParams", "GapParams", "MeshParams", "StandParams", "TypeParams"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CanopyParams(_Section):
    """How a canopy height model is read.

    Attributes:
        lowest_m: what is lower is no tree: a crown without this height is not counted.
        tops_pixel_m: tree tops are looked for in models at least this fine; coarser ones give heights alone.
        apart_m: a top is the highest place within this distance, and
        apart_share: this much of its height more (Popescu and Wynne 2004: taller trees have wider crowns).
        smooth_m: standard deviation of the smoothing before tops are looked for. At twice this, trees of 2 to 4 m were
            lost by the half on a model of 0.5 m a pixel.
        smallest_m2: crowns that the height model alone shows and that are smaller are left out.
    """

    lowest_m: float = Field(2.0, gt=0)
    tops_pixel_m: float = Field(1.0, gt=0)
    apart_m: float = Field(0.8, gt=0)
    apart_share: float = Field(0.07, ge=0)
    smooth_m: float = Field(0.2, ge=0)
    smallest_m2: float = Field(1.0, gt=0)


class MeshParams(_Section):
    """Figures of a mesh are given where at least `seen_share` of it was photographed."""

    seen_share: float = Field(0.5, gt=0, le=1)


class StandParams(_Section):
    """How stands are told apart where no register does.

    Attributes:
        cell_m: side of the cells that stands are made of, rounded to whole cells of the ground: 0.5 m, in wide surveys
            1, 2.5 or 5 m.
        smooth_m: standard deviation of the window in which density and cover are seen.
        smallest_ha: smaller ones join the neighbour most like them.
        narrowest_m: narrower ones are the passage from one stand to the next, and are shared out among both.
        differ: neighbours that differ less are one stand; 1 is a difference of `stems_root`, `cover_pct`,
            `diameter_m` or `height_m` alone.
        stems_root: unit of density, in square roots of stems/ha (20 is 400 stems/ha, 23 is 529).
        cover_pct: unit of crown cover, points.
        diameter_m: unit of crown diameter.
        height_m: unit of height.
        count_sd: relative sd of a stand's count beyond chance, where the model's card states none.
    """

    cell_m: float = Field(10.0, ge=5, le=20)
    smooth_m: float = Field(12.0, gt=0)
    smallest_ha: float = Field(0.3, gt=0)
    narrowest_m: float = Field(40.0, ge=0)
    differ: float = Field(1.6, gt=0)
    stems_root: float = Field(4.0, gt=0)
    cover_pct: float = Field(15.0, gt=0)
    diameter_m: float = Field(1.5, gt=0)
    height_m: float = Field(3.0, gt=0)
    count_sd: float = Field(0.25, ge=0)


class GapParams(_Section):
    """What counts as an opening in the canopy.

    Attributes:
        smallest_m2: smaller ones are left out.
        widest_m2: larger ones are open land.
        narrowest_m: ground between crowns that is narrower is no part of an opening.
    """

    smallest_m2: float = Field(25.0, gt=0)
    widest_m2: float = Field(1000.0, gt=0)
    narrowest_m: float = Field(2.0, gt=0)


class ChangeParams(_Section):
    """What is compared with an earlier flight, and what counts as damage.

    Attributes:
        search_m: the two maps lie no farther apart than this.
        edge_m: crowns nearer to the border of what either flight photographed are not compared: they may be cut.
        prior: probability that a place is damaged, before looking.
        least_gone: damage takes at least this share of the trees.
        confidence: places are shown as damaged from this probability on.
        cover_left: and only where no more than this share of the crown cover is left.
        smallest_m2: smaller areas are left out.
        narrowest_m: and so is what is narrower.
        doubted: odds of damage are divided by this where the offset cannot be told.
        fallen_share: a crown found again below this share of its old height is lost.
    """

    search_m: float = Field(15.0, gt=2, le=50)
    edge_m: float = Field(3.0, ge=0)
    prior: float = Field(0.02, gt=0, lt=0.5)
    least_gone: float = Field(0.4, gt=0, lt=1)
    confidence: float = Field(0.8, gt=0, lt=1)
    cover_left: float = Field(0.5, gt=0, lt=1)
    smallest_m2: float = Field(300.0, gt=0)
    narrowest_m: float = Field(4.0, ge=0)
    doubted: float = Field(10.0, ge=1)
    fallen_share: float = Field(0.5, gt=0, lt=1)


class TypeParams(_Section):
    """How sure types of trees must be (`--types`).

    Attributes:
        least_named: so many crowns of each type must be named.
        probability: a crown is of a type from this probability on.
        least_right: so many of the named crowns, left out in turns, must be told right; else no type is stated.
    """

    least_named: int = Field(10, ge=5)
    probability: float = Field(0.8, gt=0.5, lt=1)
    least_right: float = Field(0.75, gt=0.5, le=1)


class ForestParams(_Section):
    """The knobs of the forest job, one field a step."""

    orthophoto: OrthoParams = Field(default_factory=OrthoParams)
    canopy: CanopyParams = Field(default_factory=CanopyParams)
    mesh: MeshParams = Field(default_factory=MeshParams)
    stands: StandParams = Field(default_factory=StandParams)
    gaps: GapParams = Field(default_factory=GapParams)
    change: ChangeParams = Field(default_factory=ChangeParams)
    types: TypeParams = Field(default_factory=TypeParams)

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """The section of a params.yaml, or the defaults where no file is named.

        Raises:
            ParamsError: the file cannot be read, or a knob is unknown or out of its bounds.
        """
        return read_knobs(cls, path, "forest")
