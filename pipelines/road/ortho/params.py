"""`params.yaml`, section `road.orthophoto`: the knobs of the road job that an orthophoto alone has."""

from pydantic import Field

from pipelines.orthophoto import OrthoParams

__all__ = ["RoadOrthoParams"]


class RoadOrthoParams(OrthoParams):
    """How an orthophoto of a road is looked at, and what its boxes come to.

    Attributes:
        tile_px: see `OrthoParams`; 640 px of 3 mm are too few for cracks of 1 m that must be whole in some tile.
        margin_m: see `OrthoParams`.
        largest_m: see `OrthoParams`.
        coarsest: an orthophoto this many times coarser than the model's sampling distance is refused.
        georeference_sd_m: standard deviation per axis of the whole orthophoto's place, m. 1 to 2 m where the drone's
            own receiver placed it, 0.02 to 0.1 m with control points or RTK. The file does not say which.
        beside_m: what lies farther outside the carriageway is no road, m.
        touch_m: boxes nearer to each other than this show one crack, m.
        bridge_m: and so do pieces in one line that are this far apart at most: a box between them was missed, m.
        photo_m: width of the ground that a photo shows at least, m.
    """

    tile_px: int = Field(1280, ge=64)
    margin_m: float = Field(0.05, ge=0)
    largest_m: float = Field(1.0, gt=0)
    coarsest: float = Field(2.0, ge=1)
    georeference_sd_m: float = Field(1.0, ge=0)
    beside_m: float = Field(0.5, ge=0)
    touch_m: float = Field(0.05, ge=0)
    bridge_m: float = Field(0.6, ge=0)
    photo_m: float = Field(4.0, gt=0)
