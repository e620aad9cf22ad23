"""Handwritten-looking digits that the package draws itself: a data set like MNIST that needs no download.

A digit is a few pen strokes through control points in a unit box. Each image takes one way of writing its
digit and does to it what a hand does: the control points wander, the whole shape bends, leans and turns, is
fitted into MNIST's 20 pixel box with its centre of ink in the middle, and is inked by a pen of its own width.

Images come in blocks, each drawn from its own Philox key (Salmon et al., 2011), so a set is the same for the
same seed, a short set is the beginning of a longer one, and training and test images never share a block.
"""

import contextlib
import functools
import math
import operator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .files import cache_dir, read_npz, replacing
from .idx import DataError

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

SIZE = 28  # pixels along each side of an image
BLOCK = 200  # images drawn together: few enough to stay in the processor's cache, a multiple of ten
SPECKS = 72  # points of ink along the strokes of one digit

# Every way of writing every digit: the digit, then its strokes with ";" between them, each "~" for a smooth curve or
# "-" for straight lines and its control points x,y in hundredths of the unit box, x to the right and y down.
GLYPHS = """\
0 ~ 52,0 20,12 4,45 14,83 48,100 84,84 96,50 82,14 50,0
0 ~ 62,4 30,6 6,42 12,80 42,100 80,86 94,48 78,10 40,2
1 - 50,0 50,100
1 - 24,24 55,0 55,100
1 - 25,22 52,0 52,100; - 18,100 86,100
1 ~ 46,0 52,50 50,100
2 ~ 10,26 30,3 68,3 86,27 68,53 36,78 6,98; - 6,98 96,97
2 ~ 14,20 42,0 78,10 80,38 52,70 20,96 6,86 22,76 52,88 78,98 98,88
2 ~ 8,16 40,0 80,12 76,42 40,74 8,100; ~ 8,100 40,90 96,98
3 ~ 12,14 42,0 80,10 80,32 40,46; ~ 40,46 84,56 90,82 50,100 8,88
3 - 10,3 86,3 44,40; ~ 44,40 82,50 90,78 54,100 8,90
3 ~ 10,10 50,0 82,18 60,40 36,47 66,52 90,72 66,97 12,94
4 - 20,0 8,54 94,50; - 72,8 66,100
4 - 68,0 4,66 98,66; - 68,0 68,100
4 ~ 14,2 10,36 30,54 62,50 84,34; ~ 86,0 82,40 74,100
5 - 90,2 26,3 20,44; ~ 20,44 50,36 84,50 88,78 56,100 8,92
5 - 24,4 18,42; ~ 18,42 56,38 86,58 80,88 42,100 6,88; - 24,4 94,0
5 ~ 88,4 50,2 26,16 30,38 66,50 80,74 54,97 10,94
6 ~ 74,0 38,20 12,56 16,86 46,100 80,88 82,64 50,53 18,70
6 ~ 50,0 26,30 12,66 26,94 60,100 86,82 74,60 42,60 20,78
7 - 4,5 90,3 44,100
7 - 6,20 8,4 92,5 40,100
7 - 4,5 92,3 46,100; - 26,50 84,46
7 ~ 4,12 34,3 86,8 70,40 50,70 42,100
8 ~ 82,14 50,0 20,16 38,40 70,60 84,82 50,100 16,84 28,60 62,40 82,12
8 ~ 50,46 22,34 24,8 54,0 80,14 76,36 50,46 18,60 16,88 50,100 84,88 82,60 50,46
8 ~ 88,10 50,0 20,20 50,46 76,74 50,100 22,80 50,50 86,16
9 ~ 82,16 50,0 18,14 16,40 48,52 78,34 82,12; ~ 82,12 80,56 70,100
9 ~ 80,20 52,0 20,14 20,42 52,50 80,26 82,60 60,94 20,96
9 ~ 78,8 36,2 14,26 40,46 78,20; - 78,20 60,100
"""


class Templates(NamedTuple):
    """Every way of writing a digit, one row each, padded to the same number K of control points."""

    first: npt.NDArray[np.int64]  # (10,) row of each digit's first way
    ways: npt.NDArray[np.int64]  # (10,) how many ways each digit has
    controls: Floats  # (ways, K, 2) control points
    weights: Floats  # (ways, SPECKS, K) specks as mixtures of control points
    inked: Floats  # (ways, SPECKS - 1) 1 where the pen is down between two specks, 0 where it jumps


def digits(n: int = 60_000, train: bool = True, seed: int = 0, hard: float = 1.2) -> tuple[Bytes, Bytes]:
    """Draw `n` digits: images, uint8 (n, 28, 28), white (255) on black (0), and labels, uint8 (n,), 0 to 9.

    `hard` scales how much the hand varies; at 1.2 the set is about as hard to learn as MNIST. Sets of more
    than one block are kept in `cache_dir()`, and drawn again if damaged or if this file draws otherwise now.
    Raises ValueError for a negative `n`, a seed outside 0 to 2**64 - 1, and a `hard` below 0 or not finite.

    >>> images, labels = digits(100)
    >>> images.shape, images.dtype, labels[:6].tolist()
    ((100, 28, 28), dtype('uint8'), [8, 4, 6, 0, 2, 2])
    """
    n, seed, hard = operator.index(n), operator.index(seed), float(hard)
    if n < 0 or not 0 <= seed < 2**64 or not 0 <= hard < math.inf:
        raise ValueError(f"need n >= 0, 0 <= seed < 2**64, finite hard >= 0; got n={n}, seed={seed}, hard={hard}")
    first = _block(seed, train, 0, hard)
    if n <= BLOCK:
        return first[0][:n], first[1][:n]

    path = cache_dir() / f"digits-{'train' if train else 'test'}-{n}-seed{seed}-hard{hard}.npz"
    with contextlib.suppress(OSError, DataError):
        images, labels = read_npz(path, {"images": (n, SIZE, SIZE), "labels": (n,)})
        if np.array_equal(images[:BLOCK], first[0]) and np.array_equal(labels[:BLOCK], first[1]):
            return images, labels
    blocks = [first, *(_block(seed, train, b, hard) for b in range(1, -(-n // BLOCK)))]
    images, labels = (np.concatenate(part)[:n] for part in zip(*blocks, strict=True))
    with contextlib.suppress(OSError), replacing(path) as file:  # without a cache it only takes longer
        np.savez(file, images=images, labels=labels)
    return images, labels


def _block(seed: int, train: bool, block: int, hard: float) -> tuple[Bytes, Bytes]:
    """Draw one block, its digits shuffled but equally many of each."""
    key = np.array([seed, (not train) << 32 | block], dtype=np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key))
    labels = rng.permutation(np.arange(BLOCK) % 10)
    path, inked = _write(labels, rng, hard)
    path = _bend(path, rng, hard)
    path = _lean(path, rng, hard)
    specks, ink = _place(path, inked, rng, hard)
    return _scan(_paint(specks, ink, rng), rng, hard), labels.astype(np.uint8)


def _write(labels: npt.NDArray[np.int64], rng: np.random.Generator, hard: float) -> tuple[Floats, Floats]:
    """Choose a way of writing each digit and let its control points wander: specks (n, SPECKS, 2), inked."""
    table = _templates()
    way = table.first[labels] + (rng.random(len(labels)) * table.ways[labels]).astype(np.int64)
    controls = table.controls[way] - 0.5
    controls += 0.037 * hard * rng.standard_normal(controls.shape)
    return table.weights[way] @ controls, table.inked[way]


def _bend(path: Floats, rng: np.random.Generator, hard: float, waves: int = 3) -> Floats:
    """Shift every point by a few long waves of random height, direction, frequency and phase."""
    shape = (len(path), 1, 2, waves)
    height = 0.037 * hard * rng.standard_normal(shape)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, *shape))
    frequency = rng.uniform(2, 6, shape)
    x, y = path[..., :1, None], path[..., 1:, None]
    along = x * (frequency * np.cos(angle)) + y * (frequency * np.sin(angle))
    shift: Floats = (height * np.sin(along + phase)).sum(axis=-1)
    return path + shift


def _lean(path: Floats, rng: np.random.Generator, hard: float) -> Floats:
    """Make each digit narrower or wider, slant it (most hands lean to the right) and turn it a little."""
    turn, slant, width = hard * rng.standard_normal((3, len(path), 1)) * np.array([0.125, 0.21, 0.2])[:, None, None]
    x = 0.78 * np.exp(width) * path[..., 0] + (slant - 0.18) * path[..., 1]
    y = path[..., 1]
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _place(path: Floats, inked: Floats, rng: np.random.Generator, hard: float) -> tuple[Floats, Floats]:
    """Scale to MNIST's box of about 20 pixels, the centre of ink near the middle: specks in pixels, ink."""
    extent = np.ptp(path, axis=1).max(axis=-1)
    path = path * (rng.uniform(15.5, 19.5, len(path)) / extent)[:, None, None]
    ink = np.linalg.norm(np.diff(path, axis=1), axis=-1) * inked
    specks = (path[:, 1:] + path[:, :-1]) / 2
    centre = (specks * ink[..., None]).sum(axis=1) / ink.sum(axis=1)[:, None]
    middle = (SIZE - 1) / 2 + 0.35 * hard * rng.standard_normal(centre.shape)
    return specks + (middle - centre)[:, None], ink


def _paint(specks: Floats, ink: Floats, rng: np.random.Generator) -> Floats:
    """Press a round Gaussian pen on the paper at every speck; along a straight stroke the ink adds up to 1.

    A round Gaussian is the product of one over the rows and one over the columns, so all the specks of an
    image together are one matrix product.
    """
    pen = np.clip(rng.normal(0.9, 0.2, (len(ink), 1, 1)), 0.6, 1.4)
    pixels = np.arange(SIZE)[:, None]
    columns = np.exp(-(((pixels - specks[:, None, :, 0]) / pen) ** 2) / 2)
    rows = np.exp(-(((pixels - specks[:, None, :, 1]) / pen) ** 2) / 2)
    rows *= ink[:, None] / (math.sqrt(2 * math.pi) * pen)
    return rows @ columns.swapaxes(1, 2)


def _scan(paper: Floats, rng: np.random.Generator, hard: float) -> Bytes:
    """Raise the contrast until strokes are flat with soft edges, add noise to the ink, and round to bytes."""
    gain, white = rng.uniform([[1.4], [0.94]], [[2.4], [1.0]], (2, len(paper)))[..., None, None]
    grey = np.clip(paper * gain - 0.18, 0, white)
    grey += (grey > 0.02) * rng.standard_normal(grey.shape) * 0.03 * hard
    image: Bytes = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    return image


class Stroke:
    """One touch of the pen: control points, joined by straight lines or by a smooth curve."""

    def __init__(self, text: str) -> None:
        kind, *pairs = text.split()
        self.smooth = kind == "~"
        self.points = np.array([pair.split(",") for pair in pairs], dtype=np.float64) / 100
        self.t = np.linspace(0, len(pairs) - 1, 40 * len(pairs))  # at t = i the stroke passes point i
        steps = np.diff(self.mix(self.t) @ self.points, axis=0)
        self.length = np.append(0, np.cumsum(np.linalg.norm(steps, axis=1)))  # of the stroke up to each t

    def spread(self, count: int) -> Floats:
        """`count` specks evenly along the stroke, as mixtures of its control points."""
        return self.mix(np.interp(np.linspace(0, self.length[-1], count), self.length, self.t))

    def mix(self, t: Floats) -> Floats:
        """(len(t), points): weights of the control points at each t (Catmull and Rom, 1974, if smooth)."""
        i = np.minimum(t.astype(int), len(self.points) - 2)
        f = t - i
        taps = [0 * f, 1 - f, f, 0 * f]
        if self.smooth:
            taps = [
                -f / 2 + f**2 - f**3 / 2,
                1 - 2.5 * f**2 + 1.5 * f**3,
                f / 2 + 2 * f**2 - 1.5 * f**3,
                (f**3 - f**2) / 2,
            ]
        weights = np.zeros((len(t), len(self.points)))
        for offset, tap in zip((-1, 0, 1, 2), taps, strict=True):
            np.add.at(weights, (np.arange(len(t)), np.clip(i + offset, 0, len(self.points) - 1)), tap)
        return weights


@functools.cache
def _templates() -> Templates:
    """Read GLYPHS, once."""
    ways = [[Stroke(text) for text in line[2:].split(";")] for line in GLYPHS.splitlines()]
    most = max(sum(len(stroke.points) for stroke in way) for way in ways)
    count = np.bincount([int(line[0]) for line in GLYPHS.splitlines()])
    controls = np.zeros((len(ways), most, 2))
    weights = np.zeros((len(ways), SPECKS, most))
    inked = np.ones((len(ways), SPECKS))
    for row, way in enumerate(ways):
        length = np.cumsum([0.0] + [stroke.length[-1] for stroke in way])
        ends = np.rint(SPECKS * length / length[-1]).astype(int)  # specks are shared out by length
        k = 0
        for stroke, start, end in zip(way, ends[:-1], ends[1:], strict=True):
            here = slice(k, k + len(stroke.points))
            controls[row, here] = stroke.points
            weights[row, start:end, here] = stroke.spread(end - start)
            inked[row, end - 1] = 0
            k = here.stop
    return Templates(np.cumsum(count) - count, count, controls, weights, inked[:, :-1])
