"""A package, so that its world ends with its last test: a process has one moto, and the next test needs it."""
