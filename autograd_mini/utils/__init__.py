"""Tools around training: `utils.data` brings samples into batches, `utils.checkpoint` trades time for memory."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
