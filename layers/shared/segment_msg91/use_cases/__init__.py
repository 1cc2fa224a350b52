"""The use cases, one for each function and under its name: all that the others know meets here."""
