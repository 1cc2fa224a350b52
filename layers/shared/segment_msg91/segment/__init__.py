"""Segment's side: the events that come, and the track events that go back."""
