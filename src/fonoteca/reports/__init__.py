"""Statistics and pictures: one SVG writer for all of them."""
