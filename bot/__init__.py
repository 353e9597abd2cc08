"""The service: decisions, books, recipes. Knows everything, but no backend by name."""

__version__ = "0.1.0"
