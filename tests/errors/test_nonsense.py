"""Whatever is given to a public function or method, its error says what was wrong: none comes from deep inside."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_public_api import names_of

import autograd_mini as am
from autograd_mini.compat import Absent, TensorType

PARTS = "", "linalg", "nn.functional", "nn.init", "nn.utils", "optim.lr_scheduler", "serialization", "training"
NONSENSE: list[Callable[[], Any]] = [
    lambda: None, lambda: "abc", lambda: {"a": 1}, object, lambda: [None, "b"], list, lambda: [[1.0], [2.0, 3.0]],
    lambda: 3,
]  # fmt: skip
# These change settings, or write files, or take anything.
LEFT_OUT = {"manual_seed", "seed", "save", "load_mnist", "use_deterministic_algorithms"}
METHODS_LEFT_OUT = {"backward", "graph"}
SAID = (TypeError, ValueError, RuntimeError, IndexError, OSError)  # NotImplementedError is a RuntimeError


def needed(function: Any) -> int | None:
    """How many arguments must be given; None: this is not to be called."""
    if (primitive := getattr(function, "primitive", None)) is not None:
        return len(primitive.inputs)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    count = sum(p.kind in kinds and p.default is p.empty for p in parameters)
    return count or int(any(p.kind is p.VAR_POSITIONAL for p in parameters)) or None


def functions() -> Iterator[tuple[str, Any, int]]:
    for part in PARTS:
        module = importlib.import_module("autograd_mini" + ("." + part if part else ""))
        for name in sorted(names_of(module) - LEFT_OUT):
            function = getattr(module, name, None)
            odd = name.startswith("set_") or isinstance(function, (Absent, TensorType))
            if callable(function) and not odd and (count := needed(function)):
                yield f"{part}.{name}", function, count


def said(function: Any, args: list[Any]) -> str | None:
    """What comes from deep inside; None if the call says what was wrong, or finds nothing wrong."""
    try:
        function(*args)
    except SAID as error:
        return None if str(error) else repr(error)
    except Exception as error:
        return repr(error)
    return None


@pytest.mark.filterwarnings("ignore")
def test_functions(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    found, deep = 0, {}
    for name, function, count in functions():
        found += 1
        for make in NONSENSE:
            for args in ([make() for _ in range(count)], [am.ones(2, 3), *(make() for _ in range(count - 1))]):
                if (error := said(function, args)) is not None:
                    deep[name] = error
    assert found > 250 and not deep, "\n".join(f"{name}: {error}" for name, error in deep.items())


@pytest.mark.filterwarnings("ignore")
def test_methods() -> None:
    names = [n for n in dir(am.Tensor) if not n.startswith("_") and n not in METHODS_LEFT_OUT]
    methods = [n for n in names if callable(getattr(am.Tensor, n))]
    deep = {}
    for name in methods:
        for make in NONSENSE:
            for more in ([], [0]):
                if (error := said(getattr(am.ones(2, 3), name), [*more, make()])) is not None:
                    deep[name] = error
    assert len(methods) > 200 and not deep, "\n".join(f"{name}: {error}" for name, error in deep.items())


def test_what_it_says() -> None:
    x = am.ones(2, 3)
    wrong: dict[str, Callable[[], Any]] = {
        r"mm\(\): argument 'mat2': expected a Tensor, but got int": lambda: x.mm(3),
        r"flatten\(\): argument 'x': expected a Tensor, but got dict": lambda: am.flatten({}),
        r"mse_loss\(\): argument 'target': expected a Tensor, but got str": lambda: am.nn.functional.mse_loss(x, "y"),
        r"zeros_like\(\): argument 'x': expected a Tensor, but got list": lambda: am.zeros_like([1.0]),
        r"xavier_normal_\(\): argument 'tensor': expected a Tensor": lambda: am.nn.init.xavier_normal_(None),
        r"cat: expected a list or a tuple of tensors, but got 'ab'": lambda: am.cat("ab"),
        r"load: expected a path, or a file open for reading": lambda: am.load(3),
        r"a tensor cannot be made of object data": lambda: am.unique(None),
        r"argument 'dim' must be int, not NoneType": lambda: am.cat([x, x], None),
        r"argument 'dim' must be int, not float": lambda: x.unbind(1.0),
        r"argument 'dim' must be int, not list": lambda: x.median([0]),
    }
    for message, call in wrong.items():
        with pytest.raises(TypeError, match=message):
            call()


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "alpha of numbers": lambda lib, x: lib.add(x, x, alpha=True),
    "alpha of integers": lambda lib, x: lib.sub(x.long(), x.long(), alpha=True),
    "sort": lambda lib, x: x.sort(dim=None),
    "argsort": lambda lib, x: x.argsort(dim=None),
    "topk": lambda lib, x: x.topk(1, dim=None),
    "diff": lambda lib, x: lib.diff(x, dim=None),
    "transpose": lambda lib, x: x.sum().transpose(0, 1),
    "tril": lambda lib, x: x.tril(1.5),
    "tril_indices": lambda lib, x: lib.tril_indices(-1, 2),
    "triu_indices": lambda lib, x: lib.triu_indices(2, 1.5),
    "tensor_split": lambda lib, x: x.tensor_split(-1),
    "scatter": lambda lib, x: x.scatter(0, x.long(), x, value=2.0),
    "scatter of nothing": lambda lib, x: x.scatter(0, x.long()),
    "type_as": lambda lib, x: x.type_as(3),
    "result_type": lambda lib, x: lib.result_type("a", x),
    "calculate_gain": lambda lib, x: lib.nn.init.calculate_gain(3),
    "mode": lambda lib, x: lib.nn.init.kaiming_uniform_(x, mode=3),
    "huber_loss": lambda lib, x: lib.nn.functional.huber_loss(x, x, delta=float("nan")),
    "smooth_l1_loss": lambda lib, x: lib.nn.functional.smooth_l1_loss(x, x, beta=float("nan")),
    "nll_loss": lambda lib, x: lib.nn.functional.nll_loss(x, x[:, 0].long(), ignore_index=1.5),
    "embedding": lambda lib, x: lib.nn.functional.embedding(x.long(), x, padding_idx=7),
    "allclose": lambda lib, x: lib.allclose(x, x, rtol=-1.0),
    "isclose": lambda lib, x: lib.isclose(x, x, atol=-1.0),
    "interpolate": lambda lib, x: lib.nn.functional.interpolate(x, scale_factor=2),
    "pooling": lambda lib, x: lib.nn.functional.adaptive_avg_pool1d(x, 1.5),
    "kernel": lambda lib, x: lib.nn.functional.max_pool1d(x, 1.5),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_refuses(name: str) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises((*SAID, AssertionError, AttributeError)):
        REFUSED[name](torch, torch.zeros(2, 3))
    with pytest.raises((*SAID, AssertionError), match=r"\w+ \w+ \w+"):  # a sentence
        REFUSED[name](am, am.zeros(2, 3))


def test_an_argument_is_given_once() -> None:
    x = am.ones(2, 3)
    calls: list[Callable[[], Any]] = [
        lambda: am.cat([x, x], dim=0, axis=1), lambda: am.stack([x], dim=0, axis=1), lambda: x.unbind(dim=0, axis=1),
        lambda: x.squeeze(dim=0, axis=1), lambda: am.clip(x, 0.0, min=1.0),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(TypeError, match="twice, by two names"):
            call()
    assert am.cat([x, x], axis=1).shape == (2, 6) and x.unbind(axis=1)[0].shape == (2,)
    assert am.ones(2, dtype=am.bool).add(am.zeros(2, dtype=am.bool), alpha=True).tolist() == [True, True]
