"""Demo 15, told once with --fast: what it finds is what its story claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Tell = Callable[[str], Any]


def test_what_fits_and_how_fast(tell: Tell) -> None:
    found = tell("15").found
    assert found["fits"]["float16"] == (float(np.float16(0.1)), 2048.0, np.inf, 0.0)
    assert found["fits"]["float64"] == (0.1, 2049.0, 70000.0, 1e-8)
    assert found["times"].keys() == {"float16", "float16 → 32 → 16", "float32", "float64"}
    assert all(time > 0 for times in found["times"].values() for time in times.values())


def test_five_ways_to_learn(tell: Tell) -> None:
    story = tell("15")
    ways = story.found["ways"]
    assert list(ways) == ["float64", "float32", "float16", "mixed", "mixed, scaled"]
    assert all(way["accuracy"] > 0.7 and way["loss"] < 0.7 < way["losses"][0] for way in ways.values())
    np.testing.assert_allclose(ways["float32"]["losses"][:20], ways["float64"]["losses"][:20], rtol=1e-3)
    sizes = [ways[name]["weights"] for name in ("float16", "float32", "float64")]
    np.testing.assert_allclose(sizes, [25_450 * size / 1e6 for size in (2, 4, 8)])
    assert ways["mixed"]["lost"] > 0.005 > ways["mixed, scaled"]["lost"]  # what the scaled loss is for
    assert ways["float32"]["graph"] < ways["float64"]["graph"]
    assert ways["mixed, scaled"]["scale"] > ways["mixed"]["scale"] == 1
    assert story.pictures() == {"gradients.png", "losses.png"} and "drawn digits" in story.printed
