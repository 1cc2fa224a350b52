"""The use cases, one for each function and under its name: they combine all other modules."""
