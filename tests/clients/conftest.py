"""The scripts of this folder import torch; the tests load them, pytest need not."""

collect_ignore_glob = ["[!t]*.py"]
