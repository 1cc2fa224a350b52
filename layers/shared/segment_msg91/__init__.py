"""Segment events to SMS through MSG91, and MSG91's delivery reports back: what the functions share."""

VERSION = "1.1.0"
"""The release, as pyproject.toml and template.yaml have it."""
