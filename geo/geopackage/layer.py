"""A layer, and what it must be like to be written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import geopandas as gpd
import pandas as pd

from geo.errors import LayerError
from geo.styles import Style

GEOMETRY = "geom"
FID = "fid"
"""Names of the geometry column and of the row number, as GDAL and QGIS expect them."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a GeoPackage.

    Attributes:
        name: the table's name, ASCII letters, digits and underscores.
        frame: the features, in the order they are written; a DataFrame without geometry becomes an attribute table.
        style: how QGIS draws it; also says the kind of geometry where the frame is empty.
        title_ja: Japanese title.
        title_en: English title.
        aliases: column → (Japanese, English) names. Columns that the frame lacks are passed over, so that one table
            of names can serve several layers.
    """

    name: str
    frame: gpd.GeoDataFrame | pd.DataFrame
    style: Style | None = None
    title_ja: str = ""
    title_en: str = ""
    aliases: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.isidentifier()):
            raise LayerError("a layer's name may have letters, digits and underscores only", where=self.name)
        lower = [str(column).lower() for column in self.columns]
        clashing = sorted({name for name in lower if lower.count(name) > 1 or name in (FID, GEOMETRY)})
        if clashing:
            raise LayerError(f"columns that clash or are reserved: {', '.join(clashing)}", where=self.name)
        if self.spatial and self.frame.crs is None:
            raise LayerError("the layer has no CRS", where=self.name, remedy="Give the frame the survey's plane CRS")

        shown = [self.aliases[column] for column in self.columns if column in self.aliases]
        if len(set(shown)) < len(shown):
            raise LayerError("two columns share an alias", where=self.name)

    @property
    def spatial(self) -> bool:
        """Whether the layer has geometry."""
        return isinstance(self.frame, gpd.GeoDataFrame)

    @property
    def columns(self) -> list[str]:
        """The columns without geometry, in order."""
        geometry = self.frame.geometry.name if self.spatial else None
        return [str(column) for column in self.frame.columns if column != geometry]

    @property
    def title(self) -> str:
        """Both titles, Japanese first; the name where there is none."""
        return f"{self.title_ja} {self.title_en}".strip() or self.name
