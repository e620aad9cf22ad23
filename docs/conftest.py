"""Sphinx imports these, or they are run by hand (`pictures/peers.py`, which needs the peers): no examples in them."""

collect_ignore = ["api.py", "conf.py", "pictures/peers.py"]
