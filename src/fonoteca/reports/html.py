"""One page of sections with pictures inside: no script, nothing from another host, fit for a phone and for paper."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fonoteca.reports.pictures import Figure, Section, Table
from fonoteca.reports.svg import clean_words, draw

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #8889; }
body { max-width: 66rem; margin: 0 auto; padding: 1.2rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .2rem; font-size: 1.6rem; overflow-wrap: anywhere; } h2 { margin: 2.2rem 0 .4rem; font-size: 1.2rem; }
.when { margin: 0; opacity: .7; } nav a { margin-right: .9rem; white-space: nowrap; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem; align-items: start; }
figure { margin: 0; border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; break-inside: avoid; }
figure svg { display: block; width: 100%; height: auto; }
details { padding: .3rem .8rem .5rem; font-size: .85rem; } summary { cursor: pointer; }
.scroll { max-height: 20rem; overflow: auto; } table { border-collapse: collapse; width: 100%; }
td, th { padding: .15rem .7rem .15rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; }
@media print { .scroll { max-height: none; overflow: visible; } nav, details:not([open]) { display: none; } body { padding: 0; } }
"""


def write_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The page as HTML; pictures stand in it as SVG, each with its numbers below."""
    links = " ".join(f'<a href="#{_anchor(section)}">{clean_words(section.heading)}</a>' for section in sections)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{clean_words(title)}</title>
<style>{_STYLE}</style></head>
<body>
<h1>{clean_words(title)}</h1>
<p class="when">{clean_words(subtitle)}</p>
<nav>{links}</nav>
{"".join(_section(section) for section in sections)}</body></html>
"""


def _anchor(section: Section) -> str:
    return escape(section.heading.lower().replace(" ", "-"))


def _section(section: Section) -> str:
    words = "".join(f"<p>{clean_words(sentence)}</p>\n" for sentence in section.words)
    figures = "".join(map(_figure, section.figures))
    grid = f'<div class="figures">\n{figures}</div>\n' if figures else ""
    return f'<section id="{_anchor(section)}"><h2>{clean_words(section.heading)}</h2>\n{words}{grid}</section>\n'


def _figure(figure: Figure) -> str:
    name = escape(figure.picture.name)
    return (
        f'<figure>{draw(figure.picture)}<details><summary>The numbers (<a href="{name}.svg">picture alone</a>)</summary>'
        f'<div class="scroll">{_table(figure.table)}</div></details></figure>\n'
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{clean_words(heading)}</th>" for heading in table.headings)
    rows = "".join(f"<tr>{''.join(f'<td>{clean_words(cell)}</td>' for cell in row)}</tr>\n" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table>"
