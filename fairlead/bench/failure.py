"""What ends a measurement."""


class BenchError(Exception):
    """The measurement cannot go on; the text says why and what to do."""
