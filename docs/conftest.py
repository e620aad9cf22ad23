"""Sphinx alone imports these: they hold no examples."""

collect_ignore = ["api.py", "conf.py"]
