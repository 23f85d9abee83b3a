"""The one place that states the version outside pyproject.toml; a test compares the two."""

__version__ = "0.1.0"
