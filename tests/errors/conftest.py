"""The catalogue is no doctest: test_wrong_uses.py compares it, word for word."""

collect_ignore_glob = ["*.md"]
