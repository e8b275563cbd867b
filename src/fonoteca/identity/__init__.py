"""Recordings that are the same, joined by evidence."""
