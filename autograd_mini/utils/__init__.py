"""Tools around training: `utils.data` brings samples into batches."""

from . import data

__all__ = ["data"]
