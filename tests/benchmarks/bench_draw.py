"""A graph of 100,000 operations read into the model of a picture; by hand, also the pictures of four cases.

`python tests/benchmarks/bench_draw.py` times each case from the tensors to the SVG: (a) a layer and its cross-entropy,
(b) a multilayer perceptron 784-512-10, (c) a loop of fifty residual layers, (d) the second derivative of tanh.
"""

import time
from collections.abc import Callable

import numpy as np

UNIT, UNITS = "operation", 100_000
LIBRARIES = ("autograd_mini",)


def autograd_mini() -> Callable[[], object]:
    import autograd_mini as am
    from autograd_mini.draw.model import read

    x, w = am.tensor([1.0, 2.0], requires_grad=True), am.tensor([0.5, 0.5], requires_grad=True)
    y = x
    for _ in range(UNITS // 4):
        y = ((y * w).tanh() + x) * 0.9
    return lambda: len(read([y])[0].ops)


def cases() -> dict[str, Callable[[], object]]:
    import autograd_mini as am
    from autograd_mini import nn
    from autograd_mini.draw import draw_graph

    def layer() -> object:
        x, t = am.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 1.0]]), am.tensor([1, 0])
        W, b = am.rand(3, 2, requires_grad=True), am.rand(2, requires_grad=True)
        loss = am.softmax_cross_entropy((x @ W + b).relu(), t).mean()
        loss.backward()
        return draw_graph(loss, names={"x": x, "W": W, "b": b, "t": t})

    def perceptron() -> object:
        model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
        loss = nn.functional.cross_entropy(model(am.rand(32, 784)), am.tensor(np.arange(32) % 10))
        loss.backward()
        return draw_graph(loss, params=model, names={}, style="module", cost=True)

    def fifty() -> object:
        h = am.randn(2, 8, requires_grad=True)
        for _ in range(50):
            W, b = am.randn(8, 8, requires_grad=True), am.randn(8, requires_grad=True)
            h = (h @ W + b).tanh() * 0.9 + h * 0.1
        z = h.sum()
        z.backward()
        return draw_graph(z, names={})

    def second() -> object:
        x = am.tensor(0.5, requires_grad=True)
        (first,) = am.autograd.grad(x.tanh(), x, create_graph=True)
        (twice,) = am.autograd.grad(first, x, create_graph=True)
        return draw_graph([first, twice], names={"x": x})

    return {"a, layer": layer, "b, perceptron": perceptron, "c, fifty layers": fifty, "d, second derivative": second}


if __name__ == "__main__":
    for name, make in cases().items():
        make()  # what is imported on the way
        start = time.perf_counter()
        graph = make()
        drawn = time.perf_counter()
        graph.svg()
        done = time.perf_counter()
        graph.html()
        page = time.perf_counter() - done
        print(f"{name:22} graph {drawn - start:.3f} s, SVG {done - drawn:.3f} s; page {page:.3f} s")
    step = autograd_mini()
    step()
    times = []
    for _ in range(5):
        start, cpu = time.perf_counter(), time.process_time()
        step()
        times.append((time.perf_counter() - start, time.process_time() - cpu))
    wall, cpu = map(min, zip(*times, strict=True))
    print(f"read {UNITS:,} operations: {wall:.2f} s, {cpu:.2f} s of it computing; the fastest of five")
