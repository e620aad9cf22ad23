"""nn against PyTorch: values, gradients, reprs, saved states, error messages, signatures."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import nn

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")

RNG = np.random.default_rng(5)
LIBRARIES = (am, torch)


def both(array: Any, requires_grad: bool = False) -> tuple[Any, Any]:
    tensors = am.tensor(np.array(array)), torch.tensor(np.array(array))
    return tuple(t.requires_grad_() if requires_grad else t for t in tensors)  # type: ignore[return-value]


def check_equal(ours: Any, theirs: Any, inputs: list[tuple[Any, Any]], tolerance: float = 1e-12) -> None:
    """The same values, and the same gradients of the inputs."""
    assert ours.shape == tuple(theirs.shape) and str(ours.dtype) == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)
    seed = np.linspace(-1, 2, ours.numel()).reshape(ours.shape).astype(ours.dtype)
    ours.backward(am.tensor(seed))
    theirs.backward(torch.tensor(seed))
    for a, b in inputs:
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=tolerance, atol=tolerance)


# -------------------------------------------------------------------------------------------------------- losses

SHAPES = [(5,), (3, 5), (2, 5, 3), (2, 5, 3, 2)]
REDUCTIONS = ["mean", "sum", "none"]


def targets(shape: tuple[int, ...], ignored: int | None) -> Any:
    if len(shape) == 1:
        return np.array(1)
    drawn = RNG.integers(0, 5, shape[:1] + shape[2:])
    if ignored is not None:
        drawn.flat[0], drawn.flat[-1] = ignored, 1
    return drawn


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("ignored", [None, -100, 2])
def test_cross_entropy_of_classes(
    reduction: str, shape: tuple[int, ...], weighted: bool, smoothing: float, ignored: int | None
) -> None:
    x, y = both(RNG.standard_normal(shape), True), both(targets(shape, ignored))
    w = both(RNG.uniform(0.5, 2, 5)) if weighted else (None, None)
    options = {
        "reduction": reduction,
        "label_smoothing": smoothing,
        "ignore_index": -100 if ignored is None else ignored,
    }
    made = [lib.nn.CrossEntropyLoss(weight=w[i], **options) for i, lib in enumerate(LIBRARIES)]
    check_equal(made[0](x[0], y[0]), made[1](x[1], y[1]), [x])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("total", [1.0, 0.7])
def test_cross_entropy_of_probabilities(
    reduction: str, shape: tuple[int, ...], weighted: bool, smoothing: float, total: float
) -> None:
    p = RNG.random(shape)
    axis = 1 if len(shape) > 1 else 0
    p *= total / p.sum(axis, keepdims=True)
    x, y = both(RNG.standard_normal(shape), True), both(p, True)
    w = both(RNG.uniform(0.5, 2, 5)) if weighted else (None, None)
    losses = [
        lib.nn.functional.cross_entropy(x[i], y[i], w[i], reduction=reduction, label_smoothing=smoothing)
        for i, lib in enumerate(LIBRARIES)
    ]
    check_equal(*losses, [x, y])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [None, -100, 2])
def test_nll_loss(reduction: str, shape: tuple[int, ...], weighted: bool, ignored: int | None) -> None:
    x, y = both(RNG.standard_normal(shape), True), both(targets(shape, ignored))
    w = both(RNG.uniform(0.5, 2, 5)) if weighted else (None, None)
    options = {"reduction": reduction, "ignore_index": -100 if ignored is None else ignored}
    losses = [lib.nn.NLLLoss(weight=w[i], **options)(x[i], y[i]) for i, lib in enumerate(LIBRARIES)]
    check_equal(*losses, [x])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["MSELoss", "L1Loss"])
def test_regression_losses(reduction: str, name: str) -> None:
    x, y = both(RNG.standard_normal((3, 4)), True), both(RNG.standard_normal((3, 4)), True)
    losses = [getattr(lib.nn, name)(reduction=reduction)(x[i], y[i]) for i, lib in enumerate(LIBRARIES)]
    check_equal(*losses, [x, y])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_losses_keep_the_dtype(dtype: str) -> None:
    x, y = both(RNG.standard_normal((4, 5)).astype(dtype), True), both(RNG.integers(0, 5, 4))
    w = both(np.linspace(0.5, 2, 5).astype(dtype))
    tolerance = 1e-6 if dtype == "float32" else 5e-3
    for options in ({}, {"label_smoothing": 0.1}, {"ignore_index": 2}):
        for i in range(2):
            x[i].grad = None
        losses = [lib.nn.functional.cross_entropy(x[i], y[i], w[i], **options) for i, lib in enumerate(LIBRARIES)]
        check_equal(*losses, [x], tolerance)


def test_empty_batches_are_nan() -> None:
    for x, y in (both(np.zeros((0, 5))), both(np.zeros(0, np.int64))), (both(np.zeros((0, 5))), both(np.zeros((0, 5)))):
        assert np.isnan(torch.nn.functional.cross_entropy(x[1], y[1]).item())
        assert np.isnan(nn.functional.cross_entropy(x[0], y[0]).item())


# -------------------------------------------------------------------------------------------------------- layers


def models(lib: Any) -> list[Any]:
    net = lib.nn
    return [
        net.Linear(3, 4),
        net.Linear(3, 4, bias=False),
        net.Identity(7),
        net.ReLU(),
        net.ReLU(inplace=True),
        net.Sigmoid(),
        net.Tanh(),
        net.Softmax(dim=-1),
        net.LogSoftmax(1),
        net.Dropout(0.25),
        net.Flatten(),
        net.Flatten(0, 2),
        net.Unflatten(1, (1, 3)),
        net.CrossEntropyLoss(),
        net.NLLLoss(),
        net.MSELoss(),
        net.L1Loss(),
        net.Sequential(),
        net.ModuleList(),
        net.ModuleDict(),
        net.Sequential(net.Linear(3, 4), net.Sequential(net.ReLU(), net.Dropout()), net.Linear(4, 2)),
        net.ModuleList([net.Linear(1, 1), net.Linear(1, 1), net.ReLU(), *(net.Sequential(net.ReLU()) for _ in "ab")]),
        net.ModuleDict({"one": net.ReLU(), "two": net.ModuleList([net.Tanh()])}),
    ]  # fmt: skip


@pytest.mark.parametrize("i", range(23))
def test_repr_and_state_dict_keys(i: int) -> None:
    ours, theirs = models(am)[i], models(torch)[i]
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]


def test_custom_repr() -> None:
    def make(lib: Any) -> Any:
        class Net(lib.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.fc = lib.nn.Linear(1, 1)

            def extra_repr(self) -> str:
                return "a=1,\nb=2"

        class Leaf(lib.nn.Module):  # type: ignore[misc, name-defined]
            def extra_repr(self) -> str:
                return "a=1,\nb=2"

        return lib.nn.Sequential(Net(), Leaf())

    assert repr(make(am)) == repr(make(torch))


def test_a_network_and_its_gradients() -> None:
    def make(lib: Any) -> Any:
        return lib.nn.Sequential(lib.nn.Flatten(), lib.nn.Linear(6, 5), lib.nn.Tanh(), lib.nn.Linear(5, 4)).double()

    ours, theirs = make(am), make(torch)
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    x, y = both(RNG.standard_normal((7, 2, 3)), True), both(RNG.integers(0, 4, 7))
    losses = [
        lib.nn.CrossEntropyLoss()(net(x[i]), y[i])
        for i, (lib, net) in enumerate(zip(LIBRARIES, (ours, theirs), strict=True))
    ]
    check_equal(*losses, [x, *zip(ours.parameters(), theirs.parameters(), strict=True)])


# -------------------------------------------------------------------------------------------- errors and reports


def net_of(lib: Any) -> Any:
    net = lib.nn.Module()
    net.fc = lib.nn.Linear(2, 1)
    net.sub = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.ReLU())
    net.register_buffer("b", lib.ones(2))
    net.register_parameter("none", None)
    net.plain = 3
    return net


def unborn(lib: Any) -> Any:
    return lib.nn.Module.__new__(lib.nn.Module)


ERRORS: dict[str, Callable[[Any, Any], Any]] = {
    "child": lambda lib, n: setattr(n, "fc", 3),
    "parameter": lambda lib, n: setattr(n, "none", 3),
    "buffer": lambda lib, n: setattr(n, "b", 3),
    "buffer exists": lambda lib, n: n.register_buffer("fc", lib.ones(2)),
    "buffer dot": lambda lib, n: n.register_buffer("a.b", lib.ones(2)),
    "buffer empty": lambda lib, n: n.register_buffer("", lib.ones(2)),
    "buffer type": lambda lib, n: n.register_buffer("q", 3),
    "buffer name": lambda lib, n: n.register_buffer(3, None),
    "parameter exists": lambda lib, n: n.register_parameter("fc", None),
    "parameter dot": lambda lib, n: n.register_parameter("w.x", None),
    "parameter empty": lambda lib, n: n.register_parameter("", None),
    "parameter type": lambda lib, n: n.register_parameter("w", 3),
    "module exists": lambda lib, n: n.add_module("b", None),
    "module type": lambda lib, n: n.add_module("c", 3),
    "module dot": lambda lib, n: n.add_module("c.d", None),
    "module empty": lambda lib, n: n.add_module("", None),
    "module name": lambda lib, n: n.add_module(3, None),
    "attribute": lambda lib, n: n.nope,
    "submodule": lambda lib, n: n.get_submodule("x"),
    "no submodule": lambda lib, n: n.get_submodule("plain"),
    "get parameter": lambda lib, n: n.get_parameter("fc.w"),
    "no parameter": lambda lib, n: n.get_parameter("sub"),
    "get buffer": lambda lib, n: n.get_buffer("zz"),
    "no buffer": lambda lib, n: n.get_buffer("fc"),
    "forward": lambda lib, n: n(1),
    "train": lambda lib, n: n.train("x"),
    "no init": lambda lib, n: setattr(unborn(lib), "fc", lib.nn.ReLU()),
    "no init, parameter": lambda lib, n: setattr(unborn(lib), "p", lib.nn.Parameter(lib.ones(1))),
    "load": lambda lib, n: n.load_state_dict({"fc.weight": lib.ones(3), "sub.y": 1, "y": lib.ones(1), "fc.z.q": 3}),
    "load shapes": lambda lib, n: n.load_state_dict({"fc.weight": lib.ones(3), "b": lib.ones(1)}, strict=False),
    "load list": lambda lib, n: n.load_state_dict([]),
    "pop": lambda lib, n: lib.nn.ModuleDict({"pop": lib.nn.ReLU()}),
    "fan": lambda lib, n: lib.nn.init.kaiming_uniform_(lib.ones(3)),
    "gain": lambda lib, n: lib.nn.init.calculate_gain("x"),
    "slope": lambda lib, n: lib.nn.init.calculate_gain("leaky_relu", "x"),
    "mode": lambda lib, n: lib.nn.init.kaiming_normal_(lib.ones(3, 2), mode="x"),
    "eye": lambda lib, n: lib.nn.init.eye_(lib.ones(3)),
    "dirac": lambda lib, n: lib.nn.init.dirac_(lib.ones(3)),
    "dirac groups": lambda lib, n: lib.nn.init.dirac_(lib.ones(3, 2, 1), groups=2),
    "orthogonal": lambda lib, n: lib.nn.init.orthogonal_(lib.ones(3)),
    "sparse": lambda lib, n: lib.nn.init.sparse_(lib.ones(3), 0.1),
}  # fmt: skip


def plain(error: BaseException) -> str:
    """The message without the differences that are meant: how shapes and PyTorch's own classes are written."""
    text = str(error).replace("torch.Size([3])", "(3,)").replace("torch.Size([1])", "(1,)")
    text = text.replace("torch.Size([2])", "(2,)").replace("torch.Size([1, 2])", "(1, 2)")
    return (
        text.replace("torch.nn.", "nn.").replace("nn.Buffer, torch.Tensor", "Tensor").replace("torch Tensor", "Tensor")
    )


@pytest.mark.parametrize("case", ERRORS)
def test_the_same_error(case: str) -> None:
    with pytest.raises(Exception) as expected:
        ERRORS[case](torch, net_of(torch))
    with pytest.raises(type(expected.value)) as found:
        ERRORS[case](am, net_of(am))
    assert plain(found.value) == plain(expected.value)


def test_the_same_report_when_not_strict() -> None:
    reports = [
        net_of(lib).load_state_dict({"fc.weight": lib.ones(1, 2), "sub.y": lib.ones(1), "y": lib.ones(1)}, strict=False)
        for lib in LIBRARIES
    ]
    assert tuple(reports[0]) == tuple(reports[1]) and reports[0]._fields == reports[1]._fields
    assert reports[0].missing_keys == ["b", "fc.bias", "sub.0.weight", "sub.0.bias"]


LEGACY = {"size_average", "reduce", "device", "_stacklevel", "foreach", "always_call", "mutate", "is_leaf"}


@pytest.mark.parametrize("path", [
    *(f"init.{n}" for n in ("uniform_", "normal_", "constant_", "zeros_", "ones_", "eye_", "xavier_uniform_")),
    *(f"init.{n}" for n in ("xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "trunc_normal_")),
    *(f"init.{n}" for n in ("orthogonal_", "sparse_", "dirac_")),
    *(f"functional.{n}" for n in ("cross_entropy", "nll_loss", "relu", "softmax", "log_softmax", "dropout")),
    *(f"utils.{n}" for n in ("clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "vector_to_parameters")),
    *("Linear", "ReLU", "Softmax", "Dropout", "Flatten", "Unflatten"),
    *("CrossEntropyLoss", "NLLLoss", "MSELoss", "ModuleList"),
    *(f"Module.{n}" for n in ("named_parameters", "named_buffers", "named_modules")),
    *(f"Module.{n}" for n in ("register_buffer", "load_state_dict")),
])  # fmt: skip
def test_same_argument_names_and_defaults(path: str) -> None:
    def signature(lib: Any) -> dict[str, Any]:
        found = lib.nn
        for name in path.split("."):
            found = getattr(found, name)
        return {p.name: p.default for p in inspect.signature(found).parameters.values() if p.name not in LEGACY}

    assert signature(am) == signature(torch)


# ---------------------------------------------------------------------------------------------------------- init

WIDE = (300, 200)
INITS: dict[str, Callable[[Any, Any], Any]] = {
    "uniform": lambda init, w: init.uniform_(w, -2, 3),
    "normal": lambda init, w: init.normal_(w, 1, 2),
    "xavier_uniform": lambda init, w: init.xavier_uniform_(w, gain=2.0),
    "xavier_normal": lambda init, w: init.xavier_normal_(w),
    "kaiming_uniform": lambda init, w: init.kaiming_uniform_(w, a=0.1),
    "kaiming_uniform relu": lambda init, w: init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"),
    "kaiming_normal": lambda init, w: init.kaiming_normal_(w, nonlinearity="tanh"),
    "trunc_normal": lambda init, w: init.trunc_normal_(w, 0.5, 1.0, -1.0, 1.0),
    "trunc_normal tail": lambda init, w: init.trunc_normal_(w, 0.0, 1.0, 1.5, 2.0),
    "sparse": lambda init, w: init.sparse_(w, 0.3),
}


@pytest.mark.parametrize("case", INITS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_init_draws_from_the_same_distribution(case: str, dtype: str) -> None:
    torch.manual_seed(0)
    ours = am.zeros(*WIDE, dtype=getattr(am, dtype))
    theirs = torch.zeros(*WIDE, dtype=getattr(torch, dtype))
    assert INITS[case](nn.init, ours) is ours
    INITS[case](torch.nn.init, theirs)
    a, b = np.sort(ours.numpy().ravel()), np.sort(theirs.numpy().ravel())
    assert a.dtype == b.dtype
    gap = np.abs(np.searchsorted(a, a, "right") - np.searchsorted(b, a, "right")).max() / a.size
    assert gap < 1.95 * np.sqrt(2 / a.size)  # two samples of Kolmogorov and Smirnov: p = 0.001


def test_trunc_normal_far_out_and_its_bounds() -> None:
    w = nn.init.trunc_normal_(am.zeros(2000), 0.0, 1.0, 6.0, 100.0).numpy()
    assert w.min() >= 6.0 and 6.1 < w.mean() < 6.3  # the mean of that tail is 6.16
    w = nn.init.trunc_normal_(am.zeros(2000), 0.0, 1.0, -100.0, -6.0).numpy()
    assert w.max() <= -6.0 and -6.3 < w.mean() < -6.1
    with pytest.raises(ValueError, match="a < b and std > 0"):
        nn.init.trunc_normal_(am.zeros(2), a=1.0, b=1.0)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = nn.init.orthogonal_(am.zeros(*shape, dtype=am.float64), gain=2.0).numpy().reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_is_uniform() -> None:
    corners = [nn.init.orthogonal_(am.zeros(3, 3))[0, 0].item() for _ in range(400)]
    assert 140 < sum(c > 0 for c in corners) < 260 and abs(np.mean(corners)) < 0.15


@pytest.mark.parametrize(("shape", "groups"), [((4, 2, 3), 1), ((4, 2, 3), 2), ((2, 3, 3, 2), 1), ((2, 2, 1, 3, 3), 2)])
def test_dirac(shape: tuple[int, ...], groups: int) -> None:
    ours = nn.init.dirac_(am.ones(*shape), groups)
    np.testing.assert_array_equal(ours.numpy(), torch.nn.init.dirac_(torch.ones(*shape), groups).numpy())


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains(name: str) -> None:
    assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


def test_simple_fills_and_seeds() -> None:
    w = am.ones(2, 3)
    assert nn.init.eye_(w).tolist() == [[1, 0, 0], [0, 1, 0]] and nn.init.constant_(w, 2.5).tolist()[0] == [2.5] * 3
    assert nn.init.zeros_(w).sum().item() == 0 and nn.init.ones_(w).sum().item() == 6
    draws = [nn.init.normal_(am.zeros(5), generator=am.Generator().manual_seed(3)).tolist() for _ in range(2)]
    assert draws[0] == draws[1]
    am.manual_seed(4)
    rows = nn.init.uniform_(am.zeros(3, 2))
    am.manual_seed(4)
    columns = nn.init.uniform_(am.from_numpy(np.zeros((3, 2), np.float32, order="F")))
    assert rows.tolist() == columns.tolist()  # whatever the memory order
    with pytest.warns(UserWarning, match="zero-element"):
        nn.init.kaiming_normal_(am.zeros(0, 3))


def test_linear_starts_as_in_pytorch() -> None:
    layer = nn.Linear(100, 400)
    for values in (layer.weight.detach().numpy(), layer.bias.detach().numpy()):
        assert np.abs(values).max() <= 0.1 and np.abs(values).max() > 0.0985
        np.testing.assert_allclose(values.std(), 0.1 / np.sqrt(3), rtol=0.1)


# --------------------------------------------------------------------------------------------------------- utils


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_clip_grad_norm(norm_type: float, dtype: str) -> None:
    tolerance = {"float64": 1e-9, "float32": 1e-5, "float16": 5e-3}[dtype]
    grads = [RNG.standard_normal(s).astype(dtype) for s in ((3, 4), (5,))]
    pairs = [both(np.zeros_like(g), True) for g in grads]
    for pair, g in zip(pairs, grads, strict=True):
        pair[0].grad, pair[1].grad = both(g)
    total = [lib.nn.utils.clip_grad_norm_([p[i] for p in pairs], 0.5, norm_type) for i, lib in enumerate(LIBRARIES)]
    np.testing.assert_allclose(total[0].item(), total[1].item(), rtol=tolerance)
    for a, b in pairs:
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=tolerance, atol=tolerance)


def test_one_hot_and_vector() -> None:
    for arguments in itertools.product([[0, 2, 1], [[1], [3]]], [-1, 6]):
        x = both(np.array(arguments[0]))
        ours, theirs = (lib.nn.functional.one_hot(x[i], arguments[1]) for i, lib in enumerate(LIBRARIES))
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
