"""Stand-ins with the behaviour that a port promises, for tests of what stands above it."""
