"""Opens a project in a headless QGIS, as a person would, says what QGIS makes of it, and prints its sheets.

Run by the system's Python, which has PyQGIS:

    QT_QPA_PLATFORM=offscreen /usr/bin/python3 project_probe.py request.json answer.json

The request names the `project` and the folder `out` for a PNG and a PDF of every sheet. Nothing of the project is
imported here.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsLayerTreeGroup,
    QgsLayoutExporter,
    QgsLayoutItem,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemScaleBar,
    QgsMapLayerType,
    QgsProject,
    QgsReadWriteContext,
    QgsRenderContext,
    QgsVectorLayer,
)
from qgis.PyQt.QtXml import QDomDocument


def describe(layer):
    out = {"name": layer.name(), "valid": layer.isValid(), "crs": layer.crs().authid(), "source": layer.source()}
    if layer.type() == QgsMapLayerType.VectorLayer:
        out |= {
            "features": layer.featureCount(),
            "renderer": layer.renderer().type(),
            "aliases": {field.name(): layer.attributeAlias(k) for k, field in enumerate(layer.fields())},
            "tip": layer.mapTipTemplate(),
            "style": style_of(layer),
            "from_scale": layer.minimumScale() if layer.hasScaleBasedVisibility() else None,
        }
    return out


def style_of(layer):
    """The renderer as XML, in the order of its attributes."""
    document = QDomDocument()
    element = layer.renderer().save(document, QgsReadWriteContext())
    document.appendChild(element)
    return document.toString()


def tree_of(group):
    out = []
    for child in group.children():
        if isinstance(child, QgsLayerTreeGroup):
            out.append([child.name(), tree_of(child)])
        else:
            out.append([child.name(), child.itemVisibilityChecked()])
    return out


def legend_of(legend):
    model = legend.model()
    rows = []
    for node in model.rootGroup().findLayers():
        rows.append(
            [
                node.customProperty("legend/title-label") or node.name(),
                [str(leaf.data(0)) for leaf in model.layerLegendNodes(node)],
            ]
        )
    return rows


def items_of(layout, kind):
    return [item for item in layout.items() if isinstance(item, kind)]


def sheet_of(layout, out):
    exporter = QgsLayoutExporter(layout)
    png, pdf = out / f"{layout.name()}.png", out / f"{layout.name()}.pdf"
    pictures, documents = QgsLayoutExporter.ImageExportSettings(), QgsLayoutExporter.PdfExportSettings()
    # Letters as letters: as outlines nobody could search them.
    documents.textRenderFormat = QgsRenderContext.TextFormatAlwaysText
    pictures.dpi = 100
    told = [exporter.exportToImage(str(png), pictures), exporter.exportToPdf(str(pdf), documents)]
    (map_item,) = items_of(layout, QgsLayoutItemMap)
    page = layout.pageCollection().page(0).pageSize()
    boxes = {}
    for item in items_of(layout, QgsLayoutItem):
        if item.id():
            at, size = item.pos(), item.sizeWithUnits()
            boxes[item.id()] = [at.x(), at.y(), size.width(), size.height()]
    return {
        "printed": told == [QgsLayoutExporter.Success] * 2,
        "page_mm": [page.width(), page.height()],
        "scale": map_item.scale(),
        "legend": [row for legend in items_of(layout, QgsLayoutItemLegend) for row in legend_of(legend)],
        "bars": [[bar.style(), bar.linkedMap() == map_item] for bar in items_of(layout, QgsLayoutItemScaleBar)],
        "boxes": boxes,
        "png": str(png),
        "pdf": str(pdf),
    }


def main(request_path, answer_path):
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    out = Path(request["out"])
    project = QgsProject.instance()
    opened = project.read(request["project"])
    view = project.viewSettings().defaultViewExtent()
    answer = {
        "opened": opened,
        "error": project.error(),
        "title": project.title(),
        "crs": project.crs().authid(),
        "view": [view.xMinimum(), view.yMinimum(), view.xMaximum(), view.yMaximum()],
        "absolute_paths": project.readBoolEntry("Paths", "/Absolute", True)[0],
        "layers": {layer.id(): describe(layer) for layer in project.mapLayers().values()},
        "order": [layer.id() for layer in project.layerTreeRoot().layerOrder()],
        "tree": tree_of(project.layerTreeRoot()),
        "sheets": {layout.name(): sheet_of(layout, out) for layout in project.layoutManager().printLayouts()},
    }
    for name, layer in request.get("own_styles", {}).items():
        own = QgsVectorLayer(layer, name, "ogr")
        answer.setdefault("own_styles", {})[name] = style_of(own)
        del own
    Path(answer_path).write_text(json.dumps(answer), encoding="utf-8")
    project.clear()


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    main(*sys.argv[1:])
    application.exitQgis()
