"""Reports: pictures as SVG and PNG, and the pages they stand in."""

from fonoteca.reports.catalogue_report import catalogue_report
from fonoteca.reports.html import write_page
from fonoteca.reports.pictures import Counted, Figure, Section, Table
from fonoteca.reports.png import write_png
from fonoteca.reports.scales import Axis
from fonoteca.reports.svg import Mark, NamedBars, Note, Plot, draw

__all__ = [
    "Axis",
    "Counted",
    "Figure",
    "Mark",
    "NamedBars",
    "Note",
    "Plot",
    "Section",
    "Table",
    "catalogue_report",
    "draw",
    "write_page",
    "write_png",
]
