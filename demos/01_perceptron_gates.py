"""Logic gates as perceptrons: first with weights set by hand, then with weights that the engine learns.

    python demos/01_perceptron_gates.py

A perceptron adds its inputs, each times a weight, and a bias, and answers 1 where the sum is above 0. You will see AND,
OR and NAND as three choices of two weights and a bias; why no choice makes XOR (it would take two lines to part its
points, a perceptron draws one), and how two layers do; what the same gates cost as plain Python, as NumPy and as
Tensors; and gradient descent finding weights of its own, for XOR in two layers, too.

Pictures: the regions of each gate, by hand and learned, and the graph of XOR. They need `autograd_mini[demos]`.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.draw import Graph, draw_graph, trace_backward
from autograd_mini.plotting import decision_regions

INPUTS = am.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
TRUTH = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}
BY_HAND = {"AND": ([0.5, 0.5], -0.7), "OR": ([0.5, 0.5], -0.1), "NAND": ([-0.5, -0.5], 0.7)}  # weights, bias

Gate = Callable[[am.Tensor], am.Tensor]


def perceptron(weights: list[float], bias: float) -> Gate:
    """1 where sigmoid(x · w + b) > ½, which is where x · w + b > 0; x: (n, 2)."""
    w = am.tensor(weights)
    return lambda x: ((x @ w + bias).sigmoid() > 0.5).float()


GATES: dict[str, Gate] = {name: perceptron(*chosen) for name, chosen in BY_HAND.items()}


def xor(x: am.Tensor) -> am.Tensor:
    """Two layers: XOR is true where NAND and OR both are."""
    hidden = am.stack([GATES["NAND"](x), GATES["OR"](x)], 1)
    return GATES["AND"](hidden)


def by_hand() -> dict[str, list[int]]:
    """The truth table of each gate."""
    print("1. Weights by hand\n")
    for name, (weights, bias) in BY_HAND.items():
        print(f"   {name:<5}w = {weights}, b = {bias}")
    print("   XOR  AND(NAND(x), OR(x)): two layers\n")
    tables = {name: gate(INPUTS).int().tolist() for name, gate in {**GATES, "XOR": xor}.items()}
    print(f"   x1 x2  |  {'  '.join(tables)}")
    for i, (x1, x2) in enumerate(INPUTS.int().tolist()):
        print(f"    {x1}  {x2}  |  {'  '.join(str(tables[name][i]).center(len(name)) for name in tables)}")
    assert tables == TRUTH
    print("\n   x1 x2  |  NAND  OR  ->  AND of both")
    for x, s1, s2, y in zip(INPUTS.int().tolist(), tables["NAND"], tables["OR"], tables["XOR"], strict=True):
        print(f"    {x[0]}  {x[1]}  |    {s1}    {s2}  ->   {y}")
    return tables


# The same gate in several ways: Python's numbers are faster for two inputs, arrays pay when there are many.


def and_product(x1: int, x2: int) -> int:
    return x1 * x2


def and_threshold(x1: int, x2: int) -> int:
    w1, w2, threshold = 0.5, 0.5, 0.7
    return 1 if x1 * w1 + x2 * w2 > threshold else 0


def and_numpy(x1: int, x2: int) -> int:
    total = np.sum(np.array([x1, x2]) * np.array([0.5, 0.5])) - 0.7
    return 1 if 1 / (1 + np.exp(-total)) > 0.5 else 0


def or_sum(x1: int, x2: int) -> int:
    return 1 if x1 + x2 > 0 else 0


def or_threshold(x1: int, x2: int) -> int:
    w1, w2, threshold = 0.5, 0.5, 0.2
    return 1 if x1 * w1 + x2 * w2 > threshold else 0


def or_bias(x1: int, x2: int) -> int:
    total = np.sum(np.array([0.5, 0.5]) * np.array([x1, x2])) - 0.2
    return 1 if total > 0 else 0


def or_numpy(x1: int, x2: int) -> int:
    total = np.sum(np.array([0.5, 0.5]) * np.array([x1, x2])) - 0.1
    return 1 if 1 / (1 + np.exp(-total)) > 0.5 else 0


def nand_numpy(x1: int, x2: int) -> int:
    total = np.sum(np.array([x1, x2]) * np.array([-0.5, -0.5])) + 0.7
    return 1 if 1 / (1 + np.exp(-total)) > 0.5 else 0


def xor_numpy(x1: int, x2: int) -> int:
    return and_numpy(nand_numpy(x1, x2), or_numpy(x1, x2))


WAYS = (  # gate, way, function, the notes' time in microseconds
    ("AND", "product of ints", and_product, 0.138),
    ("AND", "weights, threshold", and_threshold, 0.413),
    ("AND", "NumPy, sigmoid", and_numpy, 12.8),
    ("OR", "sum of ints", or_sum, 0.385),
    ("OR", "weights, threshold", or_threshold, 0.501),
    ("OR", "NumPy, bias -0.2", or_bias, 9.47),
    ("OR", "NumPy, sigmoid", or_numpy, 13.9),
    ("XOR", "three NumPy gates", xor_numpy, 40.7),
)


def compare_speed(repeats: int) -> dict[str, float]:
    """Microseconds per call; every way is right, first of all."""
    print("\n2. The same gates, several ways: microseconds per call, here and in the lecture notes\n")
    times = {}
    for name, way, gate, notes in WAYS:
        assert [gate(x1, x2) for x1, x2 in INPUTS.int().tolist()] == TRUTH[name], (name, way)
        times[f"{name}, {way}"] = min(timeit.repeat(lambda g=gate: g(0, 1), number=repeats, repeat=3)) / repeats * 1e6
        print(f"   {name:<5}{way:<20}{times[f'{name}, {way}']:8.3f}  notes {notes:6.3f}")
    many = INPUTS.repeat(2500, 1)  # 10,000 pairs at once
    runs = max(1, repeats // 200)
    seconds = min(timeit.repeat(lambda: GATES["AND"](many), number=runs, repeat=3)) / runs
    times["AND, Tensor"] = seconds / len(many) * 1e6
    print(f"   AND  10,000 in a Tensor  {times['AND, Tensor']:8.3f}  each: one call for all of them")
    return times


def learn(model: nn.Module, truth: list[int], steps: int) -> tuple[list[int], float]:
    """Train on the four rows; what the model then answers, and its loss."""
    targets = am.tensor(truth, dtype=am.float32).reshape(4, 1)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = nn.functional.binary_cross_entropy_with_logits(model(INPUTS), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (model(INPUTS) > 0).int().flatten().tolist(), loss.item()


def best_single_perceptron() -> int:
    """The most rows of XOR that any of 21 × 21 × 21 perceptrons gets right."""
    side = am.linspace(-2, 2, 21)
    w1, w2, b = (w.reshape(1, -1) for w in am.meshgrid(side, side, side, indexing="ij"))
    answers = (INPUTS[:, :1] * w1 + INPUTS[:, 1:] * w2 + b > 0).int()  # (4, 9261)
    return int((answers == am.tensor(TRUTH["XOR"]).reshape(4, 1)).sum(0).max().item())


def starts_that_find_xor(steps: int, starts: int = 200) -> int:
    """Two layers, trained from many random starts at once: a batch of networks, as matrices in a 3-D tensor."""
    am.manual_seed(0)
    W1, b1, W2, b2 = weights = [nn.Parameter(am.randn(starts, *s)) for s in ((2, 2), (1, 2), (2, 1), (1, 1))]
    optimizer, targets = optim.Adam(weights, lr=0.1), am.tensor(TRUTH["XOR"]).float().reshape(4, 1).expand(starts, 4, 1)
    for _ in range(steps):
        logits = (INPUTS @ W1 + b1).sigmoid() @ W2 + b2
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum").backward()
        optimizer.step()
    return int(((logits > 0) == (targets > 0)).all(1).sum().item())


def learned(steps: int) -> tuple[dict[str, nn.Module], dict[str, list[int]], int]:
    """The same gates by gradient descent on a smooth loss: the step of the perceptron itself has no slope."""
    print(f"\n3. Weights learned: {steps} steps of Adam on the cross-entropy\n")
    models: dict[str, nn.Module] = {}
    answers = {}
    for name in TRUTH:
        am.manual_seed(0)
        models[name] = nn.Linear(2, 1)
        answers[name], loss = learn(models[name], TRUTH[name], steps)
        (w1, w2), b = models[name].weight[0].tolist(), models[name].bias.item()
        right = sum(a == t for a, t in zip(answers[name], TRUTH[name], strict=True))
        print(f"   {name:<5}w = ({w1:6.2f}, {w2:6.2f}), b = {b:6.2f}   loss {loss:.3f}   {right} of 4 right")
    print(f"\n   One line cannot part XOR: the best loss, ln 2 = {np.log(2):.3f}, is that of a guess:")
    print("   all weights are 0, and how many it has right is rounding.")
    print(f"   Of 9,261 perceptrons tried, none gets more than {best_single_perceptron()} of the 4 rows right.")

    am.manual_seed(1)
    models["XOR, two layers"] = network = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1))
    answers["XOR, two layers"], loss = learn(network, TRUTH["XOR"], 2 * steps)
    print(f"\n   XOR in two layers: {answers['XOR, two layers']}, loss {loss:.4f}. Its hidden units became")
    hidden = (network[:2](INPUTS) > 0.5).int()
    for k in range(2):
        names = [name for name, truth in TRUTH.items() if truth == hidden[:, k].tolist()]
        weight = network[2].weight[0, k].item()
        print(f"   unit {k + 1}: {hidden[:, k].tolist()} {names[0] if names else ''}, weight {weight:.1f}")
    found = starts_that_find_xor(2 * steps)
    print(f"   Luck is needed: {found} of 200 random starts end there, the others in a valley that leads nowhere.")
    return models, answers, found


def draw_gates(figure: Any, axes: list[Any], gates: dict[str, Any], threshold: float) -> Any:
    """Where each gate answers 1; "XOR, two layers" has the truth of XOR. One legend, ticks where the rows are."""
    for square, (name, gate) in zip(axes, gates.items(), strict=True):
        decision_regions(gate, INPUTS, TRUTH[name.split(",")[0]], title=name, threshold=threshold, axes=square)
        square.get_legend().remove()
        square.set(xticks=[0, 1], yticks=[0, 1], xlabel="x1")
        square.set_ylabel("x2", rotation=0)
    handles, _ = axes[0].get_legend_handles_labels()
    figure.legend(handles, ["answer 0", "answer 1"], loc="outside lower center", ncols=2, frameon=False)
    return figure


def draw_by_hand() -> Any:
    figure = common.figure(9, 8.6, "Gates with weights set by hand: one line each, and two for XOR")
    return draw_gates(figure, list(figure.subplots(2, 2).flat), {**GATES, "XOR": xor}, 0.5)


def draw_learned(models: dict[str, nn.Module]) -> Any:
    figure = common.figure(10, 7, "Gates with weights learned: a single perceptron fails at XOR, two layers do not")
    *axes, empty = figure.subplots(2, 3).flat
    empty.axis("off")
    gates = {"XOR, one perceptron" if name == "XOR" else name: model for name, model in models.items()}
    return draw_gates(figure, axes, gates, 0.0)


def draw_xor() -> Graph:
    """Two layers before they have learned anything, at x = (1, 0): each value, and what its mistake sends back."""
    am.manual_seed(1)
    network = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Sigmoid())
    x, target = am.tensor([1.0, 0.0]), am.tensor([1.0])
    y = network(x)
    loss = nn.functional.mse_loss(y, target)
    with trace_backward() as trace:
        loss.backward()
    title = "XOR in two layers, not yet trained: the answer for (1, 0) should be 1"
    return draw_graph(loss, network, {"x": x, "y": y, "target": target, "loss": loss}, trace=trace, title=title)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The whole story; returns truth tables, times and what was learned."""
    args = common.arguments(argv, __file__, "Logic gates as perceptrons, by hand and learned.")

    tables = by_hand()
    times = compare_speed(500 if args.fast else 20000)
    models, answers, found = learned(150 if args.fast else 1000)
    args.pictures.draw("by_hand.png", draw_by_hand)
    args.pictures.draw("learned.png", draw_learned, models)
    args.pictures.draw("xor_graph.svg", draw_xor)
    args.pictures.tell()
    return {"tables": tables, "microseconds": times, "learned": answers, "starts": found}


if __name__ == "__main__":
    common.tell(main)
