"""How layers look in QGIS: symbols, classes, labels and forms, written as QML."""

from geo.styles.form import Choice, Form, Labels, MapTip
from geo.styles.qml import to_qml
from geo.styles.renderers import Categorized, Category, Graduated, Range, Single, Style, categories
from geo.styles.symbols import OKABE_ITO, Kind, Symbol, distinct

__all__ = [
    "OKABE_ITO",
    "Categorized",
    "Category",
    "Choice",
    "Form",
    "Graduated",
    "Kind",
    "Labels",
    "MapTip",
    "Range",
    "Single",
    "Style",
    "Symbol",
    "categories",
    "distinct",
    "to_qml",
]
