"""A package, so that its world ends with its last test: moto is one per process, and the next test needs it."""
