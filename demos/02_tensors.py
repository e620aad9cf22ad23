"""Tensors: numbers in 0 to 5 axes, cut into slices and batches, reshaped, stretched and multiplied.

    python demos/02_tensors.py

A tensor is a box of numbers of one kind. You will see its three properties (how many axes, how long each is, of what
type the numbers are) from a single number up to a film; how to cut a piece or a batch out of images; reshape and
transpose; broadcasting, drawn step by step; and why `dot` and `matmul` are the same up to two axes and differ from
three on. Names, slices and memory, too: when do two names hold one box?

Pictures: slices of a digit, a digit of each batch, broadcasting, dot beside matmul. They need `autograd_mini[demos]`.
"""

from __future__ import annotations

from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.vision import digits, load_mnist

BLUE, ORANGE, GREEN, SKY = "#0072B2", "#E69F00", "#009E73", "#56B4E9"
DATA = (  # what, axes, shape
    ("100,000 people: age, postcode, income", "samples, features", (100_000, 3)),
    ("500 texts: how often each of 20,000 words occurs", "samples, features", (500, 20_000)),
    ("a day at the exchange: price, high and low of 390 minutes", "timesteps, features", (390, 3)),
    ("250 such days", "samples, timesteps, features", (250, 390, 3)),
    ("a tweet: 280 characters of 128, one-hot", "timesteps, features", (280, 128)),
    ("1,000,000 tweets", "samples, timesteps, features", (1_000_000, 280, 128)),
    ("a batch of grey images", "samples, height, width, channels", (128, 256, 256, 1)),
    ("a batch of colour images", "samples, height, width, channels", (128, 256, 256, 3)),
    ("4 films of 60 s at 4 frames per second", "samples, frames, height, width, channels", (4, 240, 144, 256, 3)),
)


def ranks() -> dict[str, tuple[int, ...]]:
    """From a scalar to five axes."""
    print("1. Axes: ndim, shape, dtype\n")
    matrix = am.tensor([[5, 78, 2, 34, 0], [6, 79, 3, 35, 1], [7, 80, 4, 36, 2]])
    tensors = {
        "scalar": am.tensor(12),
        "vector": am.tensor([12, 3, 6, 14, 7]),
        "another": am.tensor([1, 2, 3]),
        "one row": am.tensor([[1, 2, 3]]),
        "matrix": matrix,
        "3-D": am.stack([matrix, matrix, matrix]),
        "4-D": am.zeros(128, 28, 28, 1),
        "5-D": am.zeros(4, 6, 36, 64, 3),
    }
    for name, t in tensors.items():
        print(f"   {name:<8} ndim {t.ndim}  shape {tuple(t.shape)!s:<20} {t.dtype}")
    print(f"\n   matrix[0]    = {matrix[0].tolist()}: its first row")
    print(f"   matrix[:, 0] = {matrix[:, 0].tolist()}: its first column")
    print("   The vector of 5 numbers is a '5-D vector' but a 1-D tensor: one axis, 5 numbers along it.")
    print("\n   Data as it comes, with the megabytes it takes as float32. (Each tensor of these shapes was made with")
    print("   `expand`, which holds a single number and shows it at every place: none of the memory is used.)\n")
    for what, axes, shape in DATA:
        seen = am.zeros(()).expand(shape)
        assert seen.shape == shape and not any(seen.numpy().strides)
        size = 4 * seen.numel() / 1e6
        print(f"   {what}\n      ({axes}) = {shape}, {size:,.1f} MB")
    try:
        am.tensor([[1, 2, 3, 4, 5], [3, 4, 5, 6]])
    except ValueError as error:
        print(f"\n   Rows of 5 and of 4 numbers are no tensor: {str(error).split(':')[0]}")
    return {name: tuple(t.shape) for name, t in tensors.items()}


def slices(images: am.Tensor, pictures: common.Pictures) -> dict[str, tuple[int, ...]]:
    """Pieces and batches of images (n, 28, 28)."""
    print(f"\n2. Slices of images: ndim {images.ndim}, shape {tuple(images.shape)}, {images.dtype}\n")
    n = 5
    cut = {
        "[:10]": images[:10],
        "[5:10]": images[5:10],
        "[10:100]": images[10:100],
        "[10:100, :, :]": images[10:100, :, :],
        "[10:100, :28, :28]": images[10:100, :28, :28],
        "[:, :14, :14]": images[:, :14, :14],
        "[:, 14:, 14:]": images[:, 14:, 14:],
        "[:, 7:-7, 7:-7]": images[:, 7:-7, 7:-7],
        "[:128]": images[:128],
        "[128:256]": images[128:256],
        "[128 * n : 128 * (n + 1)]": images[128 * n : 128 * (n + 1)],
    }
    for index, piece in cut.items():
        print(f"   images{index:<28}{tuple(piece.shape)}")
    print("   The first axis counts samples: a slice of it is a batch, here of 128, and with n = 5 the sixth.")
    print("   A slice is a view: no pixel is copied.")

    pictures.draw("slices.png", _draw_slices, images)
    size = len(images) // 6
    batches = [images[size * i : size * (i + 1)] for i in range(6)]
    print(f"   Cut into {len(batches)} batches of {size}: batches.png shows the first of each.")
    pictures.draw("batches.png", _draw_batches, batches)
    return {index: tuple(piece.shape) for index, piece in cut.items()}


def _draw_slices(images: am.Tensor) -> Any:
    from matplotlib.patches import Rectangle

    figure = common.figure(10, 3, "Slices of the digit images[4]")
    boxes = {"": (0, 0, 28), "[:, :14, :14]": (0, 0, 14), "[:, 14:, 14:]": (14, 14, 14), "[:, 7:-7, 7:-7]": (7, 7, 14)}
    for axes, (index, (x, y, side)) in zip(figure.subplots(1, 4), boxes.items(), strict=True):
        axes.imshow(images[4].numpy(), cmap="binary", extent=(0, 28, 28, 0))
        axes.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=BLUE, linewidth=3, clip_on=False))
        axes.set_title(f"images{index}[4]")
        axes.set(xticks=[0, 7, 14, 21, 28], yticks=[0, 7, 14, 21, 28])
    return figure


def _draw_batches(batches: list[am.Tensor]) -> Any:
    figure = common.figure(10, 2.2, f"The first digit of each of 6 batches of {len(batches[0])}")
    for i, (axes, batch) in enumerate(zip(figure.subplots(1, 6), batches, strict=True)):
        axes.imshow(batch[0].numpy(), cmap="binary")
        axes.set(title=f"batch {i + 1}", xticks=[], yticks=[])
    return figure


def labels() -> list[list[int]]:
    """Classes as rows with a single 1."""
    known = am.tensor([5, 0, 4])  # of MNIST's first three digits
    rows = nn.functional.one_hot(known, num_classes=10)
    print("\n   Labels 5, 0, 4 one-hot, as a loss on probabilities wants them; argmax leads back:")
    for label, row in zip(known.tolist(), rows.tolist(), strict=True):
        print(f"   {label} -> {row}")
    assert (rows.argmax(1) == known).all()
    return rows.tolist()


def shapes() -> dict[str, Any]:
    """Reshape and transpose."""
    print("\n3. Reshape and transpose\n")
    x = am.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    print(f"   x                = {x.tolist()}")
    print(f"   x.reshape(6, 1)  = {x.reshape(6, 1).tolist()}")
    print(f"   x.reshape(2, 3)  = {x.reshape(2, 3).tolist()}: the same six numbers in the same order")
    print(f"   x.T              = {x.T.tolist()}: rows become columns, another order")
    long = am.zeros(300, 20)
    print(f"   a {tuple(long.shape)} transposed is {tuple(long.T.shape)}")
    return {"reshaped": x.reshape(2, 3).tolist(), "column": x.reshape(6, 1).tolist(), "transposed": tuple(long.T.shape)}


def broadcasting(pictures: common.Pictures) -> dict[str, Any]:
    """Element by element, and what happens where shapes differ."""
    print("\n4. Element by element, and broadcasting\n")
    W, X = am.tensor([[1, 2, 3], [4, 5, 6]]), am.tensor([[0, 1, 2], [3, 4, 5]])
    found: dict[str, Any] = {"W + X": (W + X).tolist(), "W * X": (W * X).tolist()}
    A, b = am.tensor([[1, 2], [3, 4], [5, 6]]), am.tensor([10, 20])
    found["A * 10"] = (am.tensor([[1, 2], [3, 4]]) * 10).tolist()
    found["A * b"] = (A * b).tolist()
    found["n * m"] = (am.tensor([1, 2]) * am.tensor([[[1, 2], [3, 4]]])).tolist()
    for name, value in found.items():
        print(f"   {name:<7}= {value}")
    assert (A * b == A * am.tensor([[10, 20]] * 3)).all()
    print("   A * b is A times b repeated: (3, 2) * (2,) -> (3, 2) * (1, 2) -> (3, 2) * (3, 2)")
    for left, right in (((2, 10), (10,)), ((32, 10), (10,))):
        print(f"   {left} + {right} -> {tuple((am.zeros(left) + am.ones(right)).shape)}")
    try:
        am.tensor([1, 2]) * am.tensor([[[1, 2, 3], [3, 4, 5]]])
    except RuntimeError as error:
        found["refused"] = str(error).strip()
        print(f"   (2,) * (1, 2, 3) is refused: {found['refused']}")

    pictures.draw("broadcasting.png", _draw_broadcasting, A, b)
    return found


def _draw_broadcasting(A: am.Tensor, b: am.Tensor) -> Any:
    steps = (
        ("A, (3, 2)", A.numpy(), BLUE, None),
        ("b, (2,)", b.numpy()[None], ORANGE, None),
        ("1. a new axis: (1, 2)", b.numpy()[None], ORANGE, None),
        ("2. repeated along it: (3, 2)", np.tile(b.numpy(), (3, 1)), ORANGE, 1),
        ("3. A * b, item by item", (A * b).numpy(), GREEN, None),
    )
    figure = common.figure(10, 2.6, "Broadcasting: (3, 2) * (2,)")
    for i, (axes, (title, values, color, solid)) in enumerate(zip(figure.subplots(1, 5), steps, strict=True)):
        _cells(axes, values, color, solid, f"{title}\n{'no axis for rows' if i == 1 else ''}")
    return figure


def _cells(axes: Any, values: Any, color: str, solid: int | None, title: str) -> None:
    """A matrix as coloured cells; rows from `solid` on are pale: they are only seen, not kept."""
    from matplotlib.patches import Rectangle

    for (row, column), value in np.ndenumerate(values):
        pale = solid is not None and row >= solid
        style = {"facecolor": color, "alpha": 0.25 if pale else 0.6, "linestyle": "--" if pale else "-"}
        axes.add_patch(Rectangle((column, row), 1, 1, edgecolor="black", **style))
        axes.text(column + 0.5, row + 0.5, str(value), ha="center", va="center", fontsize=14)
    axes.set(xlim=(-0.1, 2.1), ylim=(3.1, -0.1), aspect="equal")
    axes.set_title(title, fontsize=9)
    axes.axis("off")


def products(pictures: common.Pictures) -> dict[str, Any]:
    """dot and matmul."""
    print("\n5. dot and matmul\n")
    found: dict[str, Any] = {
        "(1, 2, 3) · (4, 5, 6)": am.dot(am.tensor([1, 2, 3]), am.tensor([4, 5, 6])).tolist(),
        "[[1, 2], [3, 4]] @ [[5, 6], [7, 8]]": (am.tensor([[1, 2], [3, 4]]) @ am.tensor([[5, 6], [7, 8]])).tolist(),
        "[[1, 2], [1, 2]] @ (2, 3)": (am.tensor([[1, 2], [1, 2]]) @ am.tensor([2, 3])).tolist(),
        "column (1, 2, 3) @ row (1, 2, 3)": (am.tensor([[1], [2], [3]]) @ am.tensor([[1, 2, 3]])).tolist(),
    }
    for name, value in found.items():
        print(f"   {name:<37}= {value}")
    print("   (n, m) fits (m, l): the inner lengths are equal, and go; the outer ones stay.")
    x = am.ones(2, 3, 4, 5)
    for y in (am.ones(5), am.ones(5, 6)):
        print(f"   {tuple(x.shape)} dot {tuple(y.shape)} -> {tuple(np.dot(x, y).shape)}")

    A, B = am.arange(24).reshape(2, 3, 4), am.arange(24).reshape(2, 4, 3)
    dot, matmul = np.dot(A, B), am.matmul(A, B)  # NumPy's functions take our tensors; PyTorch's dot knows vectors alone
    print(f"\n   From three axes on they differ. A: {tuple(A.shape)}, B: {tuple(B.shape)}")
    print(f"   dot:    {tuple(dot.shape)}, every matrix of A with every matrix of B: dot[i, :, k, :] = A[i] @ B[k]")
    print(f"   matmul: {tuple(matmul.shape)}, the first with the first, the second with the second: A[i] @ B[i]")
    for i in range(2):
        assert (dot[i, :, i, :] == matmul[i]).all()
    print(f"   so matmul is the diagonal of dot:\n{_indented(matmul)}\n   and dot is\n{_indented(dot)}")
    pictures.draw("dot_and_matmul.png", _draw_products, dot, matmul)
    return {**found, "dot": dot.tolist(), "matmul": matmul.tolist()}


def _indented(t: am.Tensor) -> str:
    return "\n".join("      " + line for line in str(t.numpy()).splitlines() if line)


def _draw_products(dot: am.Tensor, matmul: am.Tensor) -> Any:
    """The four products of dot as blocks; matmul's two are the blue ones."""
    figure = common.figure(8, 6.2, "dot makes all four products A[i] @ B[k]; matmul the two blue ones, i = k")
    for i, row in enumerate(figure.subplots(2, 2)):
        for k, axes in enumerate(row):
            axes.imshow(np.zeros((3, 3)), cmap="binary", vmin=0, vmax=1)
            axes.set_facecolor(SKY if i == k else "white")
            axes.images[0].set_alpha(0.0)
            for (r, c), value in np.ndenumerate((matmul[i] if i == k else dot[i, :, k, :]).numpy()):
                axes.text(c, r, str(value), ha="center", va="center", fontsize=14)
            axes.set(title=f"A[{i}] @ B[{k}]", xticks=[], yticks=[])
    return figure


def memory() -> dict[str, Any]:
    """Names, copies and views."""
    print("\n6. Names, copies and views\n")
    a, b = am.tensor([1, 2, 3]), am.tensor([4, 5, 6])
    name = b
    print(f"   name = b:    name is b: {name is b}. A second name, no second box")
    a[...] = b
    print(f"   a[...] = b:  a = {a.tolist()}, a is b: {a is b}. The numbers are copied into a's own box")
    foo = am.tensor([1, 2, 3])
    bar = foo
    bar[...][0] = 9
    print(f"   bar = foo; bar[...][0] = 9:  foo = {foo.tolist()}. [...] is a view: it writes into foo")
    (only,) = [[1, 2, 3]]
    print(f"   (only,) = [[1, 2, 3]]:  only = {only}. The comma unpacks a list of one, as in W, = layer.params")
    return {"a": a.tolist(), "foo": foo.tolist(), "is": (name is b, a is b)}


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The whole story; returns shapes and results by what they are called in it."""
    story = "Tensors: axes, slices, batches, broadcasting, dot and matmul."
    args = common.arguments(argv, __file__, story, data="digits that the package draws")

    images = load_mnist(args.data).train_images if args.data else digits(1200 if args.fast else 6000)[0]
    found = {
        "ranks": ranks(),
        "slices": slices(am.from_numpy(images), args.pictures),
        "one-hot": labels(),
        "shapes": shapes(),
        "broadcasting": broadcasting(args.pictures),
        "products": products(args.pictures),
        "memory": memory(),
    }
    args.pictures.tell()
    return found


if __name__ == "__main__":
    common.tell(main)
