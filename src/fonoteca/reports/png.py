"""PNG from SVG, by resvg (extra [plots])."""

from __future__ import annotations

from fonoteca.ground.errors import UsageError

ZOOM = 2


def write_png(svg: str) -> bytes:
    """The picture at twice its size, on white; UsageError where resvg is not installed."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise UsageError("PNG needs the extra [plots]", "Install it with: pip install 'fonoteca[plots]'") from error
    return bytes(svg_to_bytes(svg_string=svg, zoom=ZOOM, background="white", font_family="DejaVu Sans", sans_serif_family="DejaVu Sans"))
