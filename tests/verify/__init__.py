"""A package, so that its stack ends with its last test: pytest ends a package fixture only with a package."""
