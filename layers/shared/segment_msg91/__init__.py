"""Segment events to SMS through MSG91, and MSG91's delivery reports back: what both functions share."""
