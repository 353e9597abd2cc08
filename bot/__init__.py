"""The service: decisions, books, recipes. Knows everything, but no backend by name."""

__version__ = "0.1.0"


class SlipwayError(Exception):
    """Something went wrong that a person can act on; the text says how."""


class Misconfigured(SlipwayError):
    """A setting is missing or wrong: refuse to start."""
