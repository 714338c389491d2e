"""Opens a GeoPackage in a headless QGIS, as a person would, and says what QGIS makes of it.

Run by the system's Python, which has PyQGIS:

    QT_QPA_PLATFORM=offscreen /usr/bin/python3 probe.py request.json answer.json

The request names the `geopackage`, its `layers`, and optionally a `picture` (path, width, height, extent), `edits`
([layer, fid, column, value]) and a `tip` (layer, fid). Nothing of the project is imported here.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsMapRendererCustomPainterJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QImage, QPainter


def symbol_of(symbol):
    layer = symbol.symbolLayer(0)
    properties = layer.properties()
    shape = properties.get("name") or properties.get("line_style") or properties.get("style")
    return {"colour": layer.color().name(), "shape": shape, "type": layer.layerType()}


def legend_of(renderer):
    if renderer.type() == "categorizedSymbol":
        return [{"value": c.value(), "label": c.label(), **symbol_of(c.symbol())} for c in renderer.categories()]
    if renderer.type() == "graduatedSymbol":
        return [
            {"value": [r.lowerValue(), r.upperValue()], "label": r.label(), **symbol_of(r.symbol())}
            for r in renderer.ranges()
        ]
    return [{"value": None, "label": "", **symbol_of(renderer.symbol())}]


def fields_of(layer):
    form = layer.editFormConfig()
    out = {}
    for k, field in enumerate(layer.fields()):
        widget = layer.editorWidgetSetup(k)
        choices = [pair for entry in widget.config().get("map", []) for pair in entry.items()]
        out[field.name()] = {
            "type": field.typeName(),
            "alias": layer.attributeAlias(k),
            "read_only": form.readOnly(k),
            "choices": choices if widget.type() == "ValueMap" else [],
        }
    return out


def describe(layer):
    out = {"valid": layer.isValid(), "features": layer.featureCount(), "fields": fields_of(layer)}
    if layer.isSpatial():
        renderer = layer.renderer()
        column = renderer.classAttribute() if hasattr(renderer, "classAttribute") else None
        labels = layer.labeling().settings().fieldName if layer.labelsEnabled() else None
        out |= {"crs": layer.crs().authid(), "renderer": renderer.type(), "column": column, "labels": labels}
        out |= {"legend": legend_of(renderer), "sorted_by": layer.attributeTableConfig().sortExpression()}
    return out


def render(layers, picture):
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setOutputSize(QSize(picture["width"], picture["height"]))
    settings.setDestinationCrs(layers[0].crs())
    settings.setExtent(QgsRectangle(*picture["extent"]))
    settings.setBackgroundColor(QColor("white"))
    image = QImage(QSize(picture["width"], picture["height"]), QImage.Format_RGB32)
    image.fill(QColor("white"))
    painter = QPainter(image)
    job = QgsMapRendererCustomPainterJob(settings, painter)
    job.renderSynchronously()
    painter.end()
    if not image.save(picture["path"]):
        raise OSError(f"{picture['path']} was not written")


def edit(layer, fid, column, value):
    layer.startEditing()
    layer.changeAttributeValue(fid, layer.fields().indexOf(column), value)
    return layer.commitChanges()


def tip_of(layer, fid):
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    context.setFeature(layer.getFeature(fid))
    return QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context)


def main(request_path, answer_path):
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    source = request["geopackage"]
    layers = {name: QgsVectorLayer(f"{source}|layername={name}", name, "ogr") for name in request["layers"]}
    QgsProject.instance().addMapLayers(layers.values())
    answer = {"layers": {name: describe(layer) for name, layer in layers.items()}}
    answer["edited"] = [edit(layers[name], *change) for name, *change in request.get("edits", [])]
    if "tip" in request:
        answer["tip"] = tip_of(layers[request["tip"][0]], request["tip"][1])
    if "picture" in request:
        render([layer for layer in layers.values() if layer.isSpatial()], request["picture"])
    QgsProject.instance().clear()
    Path(answer_path).write_text(json.dumps(answer, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    # Layers must be gone before QGIS is, or it crashes on the way out: `main` lets go of them.
    main(*sys.argv[1:])
    application.exitQgis()
