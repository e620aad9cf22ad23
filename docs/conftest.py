"""Sphinx imports these, or they are run by hand (`pictures/peers.py` with its own requirements): no examples in them."""

collect_ignore = ["api.py", "conf.py", "pictures/peers.py"]
