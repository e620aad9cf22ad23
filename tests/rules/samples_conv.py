"""Samples for autograd_mini/rules/conv.py and pool.py; merged into the tables of samples.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from rules.sampling import Entry, distinct, normal

from autograd_mini.rules.conv import Window, Windows
from autograd_mini.testing import Sample

PLAIN = (Window(2, 1, 1, 0, 3), Window(3, 1, 1, 0, 3))  # over (4, 5)
PADDED = (Window(3, 2, 1, 1, 2), Window(2, 1, 2, 1, 5))  # over (4, 5): strides, dilation, padding on both sides
UNEVEN = (Window(2, 3, 2, 0, 2), Window(4, 2, 1, 2, 3))  # over (6, 5): padding behind only, before mostly
PAIRS = [(PLAIN, (4, 5)), (PADDED, (4, 5)), (UNEVEN, (6, 5))]


def selection(window: Window, size: int) -> Any:
    """(windows, taps, size): 1 where this window reads this element with this tap. The definition of `Window`."""
    o, k, i = np.ogrid[: window.number, : window.kernel, :size]
    return (o * window.stride + k * window.dilation - window.padding == i) * 1.0


def of_groups(function: Callable[..., Any], joined: int, axes: tuple[int, int], *arrays: Any) -> Any:
    """The function on each group of channels, the results joined; axes: where the two arrays have their channels."""
    groups = joined
    parts = [np.split(a, groups, axis) for a, axis in zip(arrays, axes, strict=True)]
    return [function(*part) for part in zip(*parts, strict=True)]


def reference_convolution(x: Any, weight: Any, windows: Windows) -> Any:
    rows, columns = (selection(w, n) for w, n in zip(windows, x.shape[2:], strict=True))

    def one(x: Any, w: Any) -> Any:
        return np.einsum("ncij,ockl,aki,blj->noab", x, w, rows, columns)

    return np.concatenate(of_groups(one, x.shape[1] // weight.shape[1], (1, 0), x, weight), 1)


def reference_conv_transpose(y: Any, weight: Any, windows: Windows, shape: Any) -> Any:
    rows, columns = (selection(w, n) for w, n in zip(windows, shape[2:], strict=True))

    def one(y: Any, w: Any) -> Any:
        return np.einsum("noab,ockl,aki,blj->ncij", y, w, rows, columns)

    return np.concatenate(of_groups(one, shape[1] // weight.shape[1], (1, 0), y, weight), 1)


def reference_conv_weight(x: Any, y: Any, windows: Windows, shape: Any) -> Any:
    rows, columns = (selection(w, n) for w, n in zip(windows, x.shape[2:], strict=True))

    def one(x: Any, y: Any) -> Any:
        return np.einsum("ncij,noab,aki,blj->ockl", x, y, rows, columns)

    return np.concatenate(of_groups(one, x.shape[1] // shape[1], (1, 1), x, y), 0)


def reference_windows_of(x: Any, windows: Windows) -> Any:
    rows, columns = (selection(w, n) for w, n in zip(windows, x.shape[-2:], strict=True))
    found = np.einsum("...ij,aki,blj->kl...ab", x, rows, columns)
    return found.reshape(-1, *found.shape[2:])


def reference_overlap_add(x: Any, windows: Windows, shape: Any) -> Any:
    rows, columns = (selection(w, n) for w, n in zip(windows, shape[-2:], strict=True))
    split = x.reshape(rows.shape[1], columns.shape[1], *x.shape[1:])
    return np.einsum("kl...ab,aki,blj->...ij", split, rows, columns)


def read(windows: Windows, shape: Any) -> Any:
    """For each window, the elements of the plane that its taps read, row-major, as pairs of tap and place."""
    for at in itertools.product(*(range(w.number) for w in windows)):
        pairs = []
        for tap, taps in enumerate(itertools.product(*(range(w.kernel) for w in windows))):
            place = tuple(
                o * w.stride + k * w.dilation - w.padding for o, k, w in zip(at, taps, windows, strict=True)
            )
            if all(0 <= p < n for p, n in zip(place, shape, strict=True)):
                pairs.append((tap, place))
        yield at, pairs


def reference_max_pool(x: Any, windows: Windows) -> Any:
    out = np.zeros((*x.shape[: -len(windows)], *(w.number for w in windows)))
    for at, pairs in read(windows, x.shape[-len(windows) :]):
        out[(..., *at)] = np.max([x[(..., *place)] for _, place in pairs], axis=0)
    return out


def reference_first_hits(x: Any, out: Any, windows: Windows) -> Any:
    hits = np.zeros((int(np.prod([w.kernel for w in windows])), *out.shape), bool)
    for at, pairs in read(windows, x.shape[-len(windows) :]):
        first = np.argmax([x[(..., *place)] for _, place in pairs], axis=0)
        for number, (tap, _) in enumerate(pairs):
            hits[(tap, ..., *at)] = first == number
    return hits


def reference_adaptive_max_indices(x: Any, sizes: tuple[int, ...]) -> Any:
    (size,), (count,) = x.shape[-1:], sizes
    ends = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
    return np.stack([a + np.argmax(x[..., a:b], -1) for a, b in ends], -1)


def functional(name: str) -> Callable[..., Any]:
    return lambda torch, *xs, **options: getattr(torch.nn.functional, name)(*xs, **options)


def convolutions() -> list[Sample]:
    return [
        Sample(normal(2, 2 * g, *size), normal(3 * g, 2, *(w.kernel for w in pair), seed=1), windows=pair)
        for (pair, size), g in zip(PAIRS, (1, 2, 1), strict=True)
    ]


def shapes(sample: Sample) -> tuple[Any, Any, Any]:
    x, weight = sample.inputs
    return x.shape, weight.shape, (x.shape[0], weight.shape[0], *(w.number for w in sample.options["windows"]))


def convolution_adjoints(of_weight: bool) -> list[Sample]:
    samples = []
    for sample in convolutions():
        x, weight, y = shapes(sample)
        inputs, shape = ((x, y), weight) if of_weight else ((y, weight), x)
        samples.append(Sample(normal(*inputs[0]), normal(*inputs[1], seed=1), shape=shape, **sample.options))
    return samples


SLIDING = [(2, {}), (3, {"stride": 2}), ((2, 3), {"stride": 1, "padding": 1}), (3, {"stride": 2, "ceil_mode": True})]


def slide(make: Callable[..., Any], *given: dict[str, Any]) -> list[Sample]:
    """A few geometries of pooling, and those given."""
    first = [Sample(make(2, 2, 5, 6), kernel_size=kernel, **options) for kernel, options in SLIDING]
    return [*first, Sample(make(2, 4, 4), kernel_size=2), *(Sample(make(1, 2, 5, 6), **options) for options in given)]


def slide_1d(make: Callable[..., Any]) -> list[Sample]:
    return [
        Sample(make(2, 2, 7), kernel_size=3, stride=2, padding=1),
        Sample(make(2, 6), kernel_size=2, ceil_mode=True),
    ]


SAMPLES: dict[str, Entry] = {
    "windows_of": Entry([Sample(normal(2, *n), windows=pair) for pair, n in PAIRS], reference_windows_of),
    "overlap_add": Entry(
        [
            Sample(
                normal(pair[0].kernel * pair[1].kernel, 2, *(w.number for w in pair)), windows=pair, shape=(2, *size)
            )
            for pair, size in PAIRS
        ],
        reference_overlap_add,
    ),
    "convolution": Entry(convolutions(), reference_convolution),
    "conv_transpose": Entry(convolution_adjoints(False), reference_conv_transpose),
    "conv_weight": Entry(convolution_adjoints(True), reference_conv_weight),
    "sum_pool": Entry(
        [Sample(normal(2, *n), windows=pair) for pair, n in PAIRS],
        lambda x, windows: reference_windows_of(x, windows).sum(0),
    ),
    "max_pool": Entry([Sample(distinct(2, *n), windows=pair) for pair, n in PAIRS[:2]], reference_max_pool),
    "first_hits": Entry(
        [
            Sample(x, reference_max_pool(x, pair), windows=pair)
            for pair, n in PAIRS[:2]
            for x in (distinct(2, *n), distinct(2, *n).round() // 4)
        ],
        reference_first_hits,
        dtypes=(),
    ),
    "adaptive_max_indices": Entry(
        [Sample(distinct(2, 7), sizes=(n,)) for n in (1, 2, 3, 7)], reference_adaptive_max_indices
    ),
}

COMPOSED: dict[str, Entry] = {
    "conv1d": Entry(
        [
            Sample(normal(2, 4, 6), normal(2, 4, 3, seed=1), normal(2, seed=2), stride=2, padding=1),
            Sample(normal(4, 6), normal(4, 2, 2, seed=1), dilation=2, groups=2, padding="same"),
        ],
        None,
        "conv1d",
    ),
    "conv2d": Entry(
        [
            Sample(normal(2, 2, 4, 5), normal(3, 2, 3, 2, seed=1), normal(3, seed=2), padding=(1, 0)),
            Sample(normal(1, 4, 5, 5), normal(4, 1, 2, 2, seed=1), stride=2, groups=4, dilation=(1, 2)),
            Sample(normal(2, 4, 4), normal(1, 2, 1, 1, seed=1)),
        ],
        None,
        "conv2d",
    ),
    "conv_transpose1d": Entry(
        [Sample(normal(2, 4, 3), normal(4, 2, 3, seed=1), normal(4, seed=2), stride=2, groups=2, output_padding=1)],
        None,
        "conv_transpose1d",
    ),
    "conv_transpose2d": Entry(
        [
            Sample(normal(2, 2, 3, 2), normal(2, 3, 2, 3, seed=1), normal(3, seed=2), stride=(1, 2), padding=1),
            Sample(normal(2, 2, 2), normal(2, 1, 2, 2, seed=1), dilation=2, output_padding=(0, 1)),
        ],
        None,
        "conv_transpose2d",
    ),
    "max_pool1d": Entry(slide_1d(distinct), None, "max_pool1d"),
    "max_pool2d": Entry(slide(distinct, {"kernel_size": 2, "dilation": (1, 2)}), None, "max_pool2d"),
    "avg_pool1d": Entry(slide_1d(normal), None, "avg_pool1d"),
    "avg_pool2d": Entry(
        slide(
            normal,
            {"kernel_size": 3, "padding": 1, "count_include_pad": False},
            {"kernel_size": 2, "divisor_override": 3},
        ),
        None,
        functional("avg_pool2d"),
    ),
    "adaptive_avg_pool1d": Entry([Sample(normal(2, 7), 3), Sample(normal(2, 2, 6), 2)], None, "adaptive_avg_pool1d"),
    "adaptive_avg_pool2d": Entry(
        [Sample(normal(2, 5, 6), 3), Sample(normal(2, 2, 3, 4), (1, None))], None, functional("adaptive_avg_pool2d")
    ),
    "adaptive_max_pool1d": Entry(
        [Sample(distinct(2, 7), 3), Sample(distinct(2, 2, 6), 2)],
        None,
        lambda torch, x, n: torch.nn.functional.adaptive_max_pool1d(x, n),
    ),
    "adaptive_max_pool2d": Entry(
        [Sample(distinct(2, 5, 6), 3), Sample(distinct(2, 2, 3, 4), (1, None))], None, functional("adaptive_max_pool2d")
    ),
}
