"""Fonoteca: catalogue, keep, pack, publish and verify all the music one may lawfully keep."""

__version__ = "0.1.0"
