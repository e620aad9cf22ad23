"""Backpropagation on the computational graph: each node drawn with its values forward and its gradients backward.

    python demos/06_backpropagation.py

A computation is a graph of small nodes, and each node knows one thing about the way back: how to turn the gradient of
its output into those of its inputs. You will see the rule of each node that networks are made of (+, ×, branch, repeat,
sum, matmul, sigmoid, affine, softmax with loss) written by hand beside what the engine computes, and drawn: above each
wire the value that went forward, below it the gradient that came back. Then the chain rule through a whole expression,
step by step; and layers with a `forward` and a `backward` of their own, as the books build them, against the engine.

Pictures: a graph per node, and a chain that plays its backward pass. SVG, for a browser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray

import autograd_mini as am
from autograd_mini.draw import draw_graph, trace_backward

Floats = NDArray[np.float64]


def leaf(values: Any) -> am.Tensor:
    """A tensor of which the gradient is wanted."""
    return am.tensor(values, dtype=am.float64, requires_grad=True)


def flow(
    pictures: common.Pictures, name: str, y: am.Tensor, dy: Any, inputs: dict[str, am.Tensor], title: str,
    **others: am.Tensor
) -> list[Floats]:
    """Send the gradient dy back through y, draw what happens, and return what arrives at the inputs."""
    with trace_backward() as trace:
        y.backward(None if dy is None else am.tensor(dy, dtype=am.float64))
    names = {"y": y, **others, **inputs}
    pictures.draw(f"{name}.svg", lambda: draw_graph(y, names=names, trace=trace, title=title, max_items=24))
    return [x.grad.numpy() for x in inputs.values()]


# ------------------------------------------------------------------------------------------------------- node by node
# Each returns, for every input, the gradient by hand and the gradient by the engine.

Pairs = dict[str, tuple[Any, Any]]


def add_node(pictures: common.Pictures) -> Pairs:
    x, z = leaf(10.0), leaf(5.0)
    gx, gz = flow(pictures, "add", x + z, 1.3, {"x": x, "z": z}, "+ passes the gradient on, to both")
    return {"dx = dy": (1.3, gx), "dz = dy": (1.3, gz)}


def multiply_node(pictures: common.Pictures) -> Pairs:
    x, z = leaf(10.0), leaf(5.0)
    gx, gz = flow(pictures, "multiply", x * z, 1.3, {"x": x, "z": z}, "× passes the gradient times the other value")
    return {"dx = dy z": (1.3 * 5, gx), "dz = dy x": (1.3 * 10, gz)}


def branch_node(pictures: common.Pictures) -> Pairs:
    x = leaf(3.0)
    (gx,) = flow(pictures, "branch", (2 * x) * (x + 1), None, {"x": x}, "A branch adds up the gradients of its arms")
    return {"dx = 2 (x + 1) + 2 x": (2 * (3 + 1) + 2 * 3, gx)}


def repeat_node(pictures: common.Pictures) -> Pairs:
    """A branch with n arms."""
    rng = np.random.default_rng(0)
    x, dy = leaf(rng.integers(-9, 10, (1, 4))), rng.integers(-9, 10, (3, 4)).astype(float)
    (gx,) = flow(pictures, "repeat", x.expand(3, 4), dy, {"x": x}, "repeat sums the gradients of its copies")
    return {"dx = sum of dy over the copies": (dy.sum(0, keepdims=True), gx)}


def sum_node(pictures: common.Pictures) -> Pairs:
    """The reverse of repeat."""
    rng = np.random.default_rng(1)
    x, dy = leaf(rng.integers(-9, 10, (3, 4))), rng.integers(-9, 10, (1, 4)).astype(float)
    (gx,) = flow(pictures, "sum", x.sum(0, keepdims=True), dy, {"x": x}, "sum repeats the gradient")
    return {"dx = dy, repeated": (np.repeat(dy, 3, axis=0), gx)}


def matmul_node(pictures: common.Pictures) -> Pairs:
    rng = np.random.default_rng(2)
    x, W, dy = leaf(rng.integers(-3, 4, (3, 2))), leaf(rng.integers(-3, 4, (2, 4))), rng.integers(-3, 4, (3, 4)) * 1.0
    title = "matmul: like ×, with the other factor transposed"
    gx, gW = flow(pictures, "matmul", x @ W, dy, {"x": x, "W": W}, title)
    return {"dx = dy @ W.T": (dy @ W.detach().numpy().T, gx), "dW = x.T @ dy": (x.detach().numpy().T @ dy, gW)}


def sigmoid_node(pictures: common.Pictures) -> Pairs:
    x = leaf([-2.0, 0.0, 3.0])
    title = "sigmoid passes the gradient times y (1 − y)"
    (gx,) = flow(pictures, "sigmoid", am.sigmoid(x), [1.0, 1.0, 1.0], {"x": x}, title)
    y = 1 / (1 + np.exp(-x.detach().numpy()))
    return {"dx = dy y (1 - y)": (y * (1 - y), gx)}


def affine_node(pictures: common.Pictures) -> Pairs:
    """matmul, and + with a broadcast bias, which is a repeat node in disguise."""
    rng = np.random.default_rng(3)
    x, W, b = leaf(rng.integers(-3, 4, (3, 2))), leaf(rng.integers(-3, 4, (2, 4))), leaf(rng.integers(-3, 4, 4))
    dy = rng.integers(-3, 4, (3, 4)) * 1.0
    title = "affine: the bias is repeated for each row, so its gradient is summed over them"
    gx, gW, gb = flow(pictures, "affine", x @ W + b, dy, {"x": x, "W": W, "b": b}, title)
    return {
        "dx = dy @ W.T": (dy @ W.detach().numpy().T, gx),
        "dW = x.T @ dy": (x.detach().numpy().T @ dy, gW),
        "db = dy.sum(0)": (dy.sum(0), gb),
    }


def softmax_with_loss_node(pictures: common.Pictures) -> Pairs:
    """Probabilities minus the truth: as simple as it is because the two were made for each other."""
    scores, target = leaf([[0.3, 2.9, 4.0], [1.0, 1.0, 1.0]]), am.tensor([1, 0])
    loss = am.nn.functional.cross_entropy(scores, target)
    title = "softmax with loss: probabilities minus the truth, over the number of samples"
    (gx,) = flow(pictures, "softmax_with_loss", loss, None, {"scores": scores}, title, target=target, loss=loss)
    p = am.softmax(scores.detach(), 1).numpy()
    return {"dx = (p - t) / n": ((p - np.eye(3)[target.numpy()]) / 2, gx)}


NODES: dict[str, Callable[[common.Pictures], Pairs]] = {
    "+": add_node,
    "×": multiply_node,
    "branch": branch_node,
    "repeat": repeat_node,
    "sum": sum_node,
    "matmul": matmul_node,
    "sigmoid": sigmoid_node,
    "affine": affine_node,
    "softmax with loss": softmax_with_loss_node,
}


def node_by_node(pictures: common.Pictures) -> dict[str, list[Any]]:
    """The engine's gradients of each node; the greatest difference from those by hand is printed."""
    print("1. Node by node: the rule by hand, and the engine\n")
    gradients, apart = {}, 0.0
    for name, node in NODES.items():
        pairs = node(pictures)
        gradients[name] = [engine.tolist() for _, engine in pairs.values()]
        apart = max(apart, *(np.abs(hand - engine).max() for hand, engine in pairs.values()))
        for i, (rule, (_, engine)) in enumerate(pairs.items()):
            shown = np.array2string(engine, precision=3, separator=", ").replace("\n", "")
            print(f"   {name if i == 0 else '':<18} {rule:<31} {shown}")
    print(f"   Greatest difference between hand and engine: {apart:.0e}")
    assert apart < 1e-12
    return gradients


def repeat_and_sum() -> dict[str, Any]:
    """Each is the other's way back, in the notes' sizes: 8 numbers, 7 copies."""
    D, N = 8, 7
    rng = np.random.default_rng(4)
    x, dy = leaf(rng.standard_normal((1, D))), rng.standard_normal((N, D))
    y = np.repeat(x, N, axis=0)  # NumPy's function, recorded by our tensor
    y.backward(am.from_numpy(dy))
    repeat_back = np.abs(x.grad.numpy() - np.sum(dy, axis=0, keepdims=True)).max()
    x, dy = leaf(rng.standard_normal((N, D))), rng.standard_normal((1, D))
    y = np.sum(x, axis=0, keepdims=True)
    y.backward(am.from_numpy(dy))
    sum_back = np.abs(x.grad.numpy() - np.repeat(dy, N, axis=0)).max()
    print(f"\n2. repeat and sum are each other's way back, for (1, {D}) and (7, {D})\n")
    print(f"   the gradient of repeat is a sum:   difference {repeat_back:.0e}, shape (1, {D}) because of keepdims")
    print(f"   the gradient of sum is a repeat:   difference {sum_back:.0e}, shape {tuple(x.grad.shape)}")
    return {"repeat": repeat_back, "sum": sum_back}


# -------------------------------------------------------------------------------------------------------- chain rule


def chain_rule(pictures: common.Pictures) -> dict[str, float]:
    """y = sigmoid(w x + b), loss = (y - t)²: from the loss back to w, a local slope at a time."""
    w, x, b, t = leaf(0.5), leaf(2.0), leaf(-0.3), 1.0
    p = w * x
    a = p + b
    y = a.sigmoid()
    e = y - t
    loss = e**2
    with trace_backward() as trace:
        loss.backward()
    graph = draw_graph(
        loss, names={"w": w, "x": x, "b": b, "p": p, "a": a, "y": y, "e": e, "loss": loss}, trace=trace,
        title="loss = (sigmoid(w x + b) − 1)²",
    )  # fmt: skip
    pictures.draw("chain_rule.svg", lambda: graph)
    pictures.draw("chain_rule_moving.svg", lambda: graph, animate=True)

    slope = y.item() * (1 - y.item())
    steps = (  # wire, local slope, its value
        ("e", "dloss/de = 2 e", 2 * e.item()),
        ("y", "de/dy = 1", 1.0),
        ("a", "dy/da = y (1 - y)", slope),
        ("p", "da/dp = 1", 1.0),
        ("w", "dp/dw = x", x.item()),
    )
    print("\n3. The chain rule: f(g(x))' = f'(g(x)) g'(x), along loss = (sigmoid(w x + b) - 1)²\n")
    values = {"p": p, "a": a, "y": y, "e": e, "loss": loss}
    print(f"   forward: {', '.join(f'{name} = {value.item():.4g}' for name, value in values.items())}\n")
    print("   to   local slope             times      product = dloss/d(it)")
    product = 1.0
    for wire, local, value in steps:
        product *= value
        print(f"   {wire}    {local:<20} {value:9.5f} {product:12.5f}")
    print(f"   engine: dloss/dw = {w.grad.item():.5f}, dloss/dx = {x.grad.item():.5f}, dloss/db = {b.grad.item():.5f}")
    h = 1e-6

    def f(w: float) -> float:
        return float((1 / (1 + np.exp(-(w * 2.0 - 0.3))) - 1) ** 2)

    nudged = (f(0.5 + h) - f(0.5 - h)) / (2 * h)
    print(f"   and by nudging w by a millionth: {nudged:.5f}")
    print("\n   The same, as the engine tells it:")
    for step in graph.steps():
        print(f"   {step.caption}")
    return {"hand": product, "engine": w.grad.item(), "nudged": nudged}


# ---------------------------------------------------------------------------------- layers with a backward of their own


class MatMul:
    """Remembers its input on the way forward, because the way back needs it."""

    def __init__(self, W: Floats) -> None:
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, x: Floats) -> Floats:
        self.x = x
        (W,) = self.params
        return np.matmul(x, W)

    def backward(self, dout: Floats) -> Floats:
        (W,) = self.params
        self.grads[0][...] = np.matmul(self.x.T, dout)  # into the same memory, which an optimizer may know
        return np.matmul(dout, W.T)


class Sigmoid:
    """Remembers its output."""

    def __init__(self) -> None:
        self.params: list[Floats] = []
        self.grads: list[Floats] = []

    def forward(self, x: Floats) -> Floats:
        self.out: Floats = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout: Floats) -> Floats:
        return dout * (1.0 - self.out) * self.out


class Affine:
    """x W + b."""

    def __init__(self, W: Floats, b: Floats) -> None:
        self.params, self.grads = [W, b], [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x: Floats) -> Floats:
        W, b = self.params
        self.x = x
        return np.matmul(x, W) + b

    def backward(self, dout: Floats) -> Floats:
        W, _ = self.params
        self.grads[0][...] = np.matmul(self.x.T, dout)
        self.grads[1][...] = np.sum(dout, axis=0)
        return np.matmul(dout, W.T)


class SoftmaxWithLoss:
    """The mean cross-entropy of softmax(x) and the right classes t."""

    def forward(self, x: Floats, t: NDArray[np.int64]) -> float:
        powers = np.exp(x - x.max(axis=1, keepdims=True))
        self.p, self.t = powers / powers.sum(axis=1, keepdims=True), t
        return float(-np.log(self.p[np.arange(len(t)), t]).mean())

    def backward(self) -> Floats:
        dx = self.p.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


class SGD:
    def __init__(self, lr: float = 0.01) -> None:
        self.lr = lr

    def update(self, params: list[Floats], grads: list[Floats]) -> None:
        for p, g in zip(params, grads, strict=True):
            p -= self.lr * g


def layers_by_hand(steps: int) -> dict[str, float]:
    """A network of such layers, trained; and the same arithmetic on Tensors, whose way back nobody wrote."""
    rng = np.random.default_rng(5)
    x, t = rng.standard_normal((10, 2)), rng.integers(0, 3, 10)
    layers: list[Any] = [
        Affine(rng.standard_normal((2, 4)), rng.standard_normal(4)),
        Sigmoid(),
        MatMul(rng.standard_normal((4, 3))),
    ]
    head, sgd = SoftmaxWithLoss(), SGD(lr=0.5)
    params = [p for layer in layers for p in layer.params]
    grads = [g for layer in layers for g in layer.grads]
    W1, b1, W2 = tensors = [leaf(p.copy()) for p in params]
    optimizer, apart, losses = am.optim.SGD(tensors, lr=0.5), 0.0, []
    for _ in range(steps):
        z = x
        for layer in layers:
            z = layer.forward(z)
        loss = head.forward(z, t)
        dout = head.backward()
        for layer in reversed(layers):
            dout = layer.backward(dout)

        ours = am.nn.functional.cross_entropy((am.from_numpy(x) @ W1 + b1).sigmoid() @ W2, am.from_numpy(t))
        optimizer.zero_grad()
        ours.backward()
        apart = max(apart, *(np.abs(g - p.grad.numpy()).max() for g, p in zip(grads, tensors, strict=True)))
        losses.append((loss, ours.item()))
        sgd.update(params, grads)
        optimizer.step()
    print("\n4. Layers with forward and backward written by hand: Affine, Sigmoid, MatMul, SoftmaxWithLoss, SGD\n")
    (first, _), (last, engine) = losses[0], losses[-1]
    print(f"   loss at first {first:.6f}, after {steps} steps {last:.6f}; the engine's {engine:.6f}")
    print(f"   greatest difference of any gradient: {apart:.0e}; and nobody had to write the engine's way back")
    return {"apart": apart, "first": first, "last": last, "engine": engine}


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The whole story; returns the gradients of each node, the chain's figures, and how near hand and engine are."""
    args = common.arguments(argv, __file__, "Backpropagation on the computational graph, node by node.")

    found = {
        "nodes": node_by_node(args.pictures),
        "repeat and sum": repeat_and_sum(),
        "chain": chain_rule(args.pictures),
        "layers": layers_by_hand(20 if args.fast else 200),
    }
    args.pictures.tell()
    return found


if __name__ == "__main__":
    common.tell(main)
