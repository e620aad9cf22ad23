"""autograd.functional and func against torch.autograd.functional and torch.func: values, structure, errors."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini import func
from autograd_mini.testing import tensors

torch = pytest.importorskip("torch")
Pair = namedtuple("Pair", "a b")
LIBRARIES = [am, torch]
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # PyTorch's own, in its forward mode


def t(lib: Any, *values: float, shape: tuple[int, ...] | None = None) -> Any:
    made = lib.tensor(np.array(values, dtype=np.float64) if lib is am else list(values), dtype=lib.float64)
    return made if shape is None else made.reshape(shape)


def plain(tree: Any) -> Any:
    """A tree of tensors of either library as one of lists, with shapes, so that two can be compared."""
    if isinstance(tree, dict):
        return {k: plain(v) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)):
        return type(tree).__name__, [plain(v) for v in tree]
    if hasattr(tree, "detach"):
        return tuple(tree.shape), np.round(np.asarray(tree.detach().numpy(), dtype=np.float64), 9).tolist()
    return tree


def agree(run: Any) -> None:
    ours, theirs = (run(lib) for lib in LIBRARIES)
    assert plain(ours) == plain(theirs)


# ---------------------------------------------------------------------------------- autograd.functional

CASES: dict[str, Any] = {  # name: (function, inputs), for either library
    "one": lambda lib: (lambda x: x.exp() * x.sum(), t(lib, 1, -2, 0.5)),
    "scalar": lambda lib: (lambda x: x**3, t(lib, 2.0).reshape(())),
    "matrix": lambda lib: (lambda x: x @ x, t(lib, 1, 2, 3, 4, shape=(2, 2))),
    "two": lambda lib: (lambda x, y: x * y.sum(), (t(lib, 1, 2), t(lib, 3, 4, 5))),
    "two outputs": lambda lib: (lambda x, y: (x * y, (x + 2 * y).sum()), (t(lib, 1, 2), t(lib, 3, 4))),
    "independent": lambda lib: (lambda x, y: (x * 2, y * 3), (t(lib, 1, 2), t(lib, 3))),
    "constant": lambda lib: (lambda x: (x * x, t(lib, 7, 8)), t(lib, 1, 2)),
    "identity": lambda lib: (lambda x: x, t(lib, 1, 2)),
    "tuple of one": lambda lib: (lambda x: (x.sin() if hasattr(x, "sin") else x,), (t(lib, 1, 2),)),
}
SCALAR: dict[str, Any] = {
    "one": lambda lib: (lambda x: (x**3).sum() * x[0], t(lib, 1, -2, 0.5)),
    "two": lambda lib: (lambda x, y: (x * x * y.sum()).sum(), (t(lib, 1, 2), t(lib, 3, 4, 5))),
    "linear": lambda lib: (lambda x: x.sum(), t(lib, 1, 2)),
    "of shape (1,)": lambda lib: (lambda x: (x * x).sum().reshape(1), t(lib, 1, 2)),
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_jacobian(name: str, create_graph: bool) -> None:
    agree(lambda lib: lib.autograd.functional.jacobian(*CASES[name](lib), create_graph=create_graph))


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", SCALAR)
def test_hessian(name: str, create_graph: bool) -> None:
    agree(lambda lib: lib.autograd.functional.hessian(*SCALAR[name](lib), create_graph=create_graph))


def directions(lib: Any, like: Any) -> Any:
    """Some direction of the same structure."""
    if isinstance(like, (tuple, list)):
        return type(like)(directions(lib, x) for x in like)
    numbers = [0.5 + 0.25 * i * (-1) ** i for i in range(like.detach().numpy().size)]
    return t(lib, *numbers).reshape(tuple(like.shape))


@pytest.mark.parametrize("name", CASES)
def test_vjp_and_jvp(name: str) -> None:
    def run(lib: Any) -> Any:
        f, inputs = CASES[name](lib)
        outputs = f(*inputs) if isinstance(inputs, tuple) else f(inputs)
        functional = lib.autograd.functional
        return [functional.vjp(f, inputs, directions(lib, outputs)), functional.jvp(f, inputs, directions(lib, inputs))]

    agree(run)


@pytest.mark.parametrize("name", SCALAR)
@pytest.mark.parametrize("product", ["vhp", "hvp"])
def test_products_with_the_hessian(name: str, product: str) -> None:
    def run(lib: Any) -> Any:
        f, inputs = SCALAR[name](lib)
        return getattr(lib.autograd.functional, product)(f, inputs, directions(lib, inputs))

    agree(run)


@pytest.mark.parametrize("name", ["vjp", "jvp", "vhp", "hvp"])
def test_v_may_be_left_out_for_a_single_element(name: str) -> None:
    agree(lambda lib: getattr(lib.autograd.functional, name)(lambda x: (x**3).sum(), t(lib, 2)))
    for lib in LIBRARIES:
        with pytest.raises(RuntimeError, match="v can only be None"):
            getattr(lib.autograd.functional, name)(lambda x: x * x if name == "vjp" else (x * x).sum(), t(lib, 1, 2))


@pytest.mark.parametrize("name", ["vjp", "jvp", "vhp", "hvp", "jacobian", "hessian"])
def test_create_graph_connects_the_result_with_the_inputs(name: str) -> None:
    """And without it neither results nor `.grad` know of them."""

    def run(lib: Any) -> Any:
        x = t(lib, 1.5, -2).requires_grad_()
        y = x * 2
        v = () if name in ("jacobian", "hessian") else (t(lib, 1, 3),)
        result = getattr(lib.autograd.functional, name)(lambda z: (z**4).sum(), y, *(v if name != "vjp" else ()))
        parts = result if isinstance(result, tuple) else (result,)
        assert not any(p.requires_grad for p in parts) and x.grad is None
        result = getattr(lib.autograd.functional, name)(
            lambda z: (z**4).sum(), y, *(v if name != "vjp" else ()), create_graph=True
        )
        last = result[-1] if isinstance(result, tuple) else result
        return lib.autograd.grad((last * last).sum(), x)

    agree(run)


@pytest.mark.parametrize("name", ["vjp", "jvp", "jacobian", "vhp", "hvp", "hessian"])
@pytest.mark.parametrize("case", ["constant", "unused", "linear"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_strict_refuses_independence(name: str, case: str, create_graph: bool) -> None:
    functions: dict[str, Any] = {
        "constant": lambda lib: (lambda x: t(lib, 1.0).sum(), (t(lib, 1.0),)),
        "unused": lambda lib: (lambda x, y: (x * x).sum(), (t(lib, 1.0), t(lib, 2.0))),
        "linear": lambda lib: (lambda x: (x * 2).sum(), (t(lib, 1.0),)),
    }
    refused = []
    for lib in LIBRARIES:
        f, inputs = functions[case](lib)
        v = () if name in ("vjp", "jacobian", "hessian") else (tuple(x * 0 + 1 for x in inputs),)
        call = getattr(lib.autograd.functional, name)
        call(f, inputs, *v)
        try:
            call(f, inputs, *v, create_graph=create_graph, strict=True)
            refused.append(False)
        except RuntimeError as error:
            assert "strict mode" in str(error)
            refused.append(True)
    assert refused[0] == refused[1]


def test_what_is_not_there_says_what_to_use() -> None:
    for options in ({"vectorize": True}, {"strategy": "forward-mode"}):
        with pytest.raises(NotImplementedError, match="jacfwd"):
            am.autograd.functional.jacobian(lambda x: x, t(am, 1), **options)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="stack"):
        func.vmap(lambda x: x)
    with pytest.raises(NotImplementedError, match="chunk_size"):
        func.jacrev(lambda x: x, chunk_size=7)
    with pytest.raises(NotImplementedError, match="randomness"):
        func.jacfwd(lambda x: x, randomness="same")


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda f, lib: f.vjp(lambda x: x, 3.0), TypeError, "must be"),
        (lambda f, lib: f.vjp(lambda x: 3.0, t(lib, 1)), TypeError, "must be"),
        (lambda f, lib: f.vjp(lambda x: x, t(lib, 1, 2), t(lib, 1, 2, 3)), RuntimeError, "v has invalid size"),
        (lambda f, lib: f.hessian(lambda x: x, t(lib, 1, 2)), RuntimeError, "single element"),
        (lambda f, lib: f.hessian(lambda x: (x, x), t(lib, 1)), RuntimeError, "single Tensor"),
        (lambda f, lib: f.vhp(lambda x: x, t(lib, 1, 2), t(lib, 1, 2)), RuntimeError, "single element"),
    ],
)
def test_errors_of_functional(call: Any, kind: type[Exception], message: str) -> None:
    for lib in LIBRARIES:
        with pytest.raises(kind, match=message):
            call(lib.autograd.functional, lib)


def test_trees_in_functional() -> None:
    inputs = {"w": t(am, 1, 2), "more": [t(am, 3.0), (t(am, 4.0),)]}
    f = lambda p: {"y": p["w"] * p["more"][0], "z": Pair(p["more"][1][0].sum(), p["w"].sum())}  # noqa: E731
    found = am.autograd.functional.jacobian(f, inputs)
    assert found["y"]["w"].tolist() == [[3, 0], [0, 3]] and found["y"]["more"][0].tolist() == [[1], [2]]
    assert found["z"].a["more"][1][0].tolist() == [1] and found["z"].b["w"].tolist() == [1, 1]
    _, moved = am.autograd.functional.jvp(f, inputs, inputs)
    assert moved["y"].tolist() == [6, 12] and moved["z"].b.item() == 3


# ------------------------------------------------------------------------------------------- torch.func


def namespace(lib: Any) -> Any:
    return func if lib is am else torch.func


@pytest.mark.parametrize("order", range(1, 5))
def test_grad_composes(order: int) -> None:
    def run(lib: Any) -> Any:
        f: Any = lambda x: x**5 + x.exp()  # noqa: E731
        for _ in range(order):
            f = namespace(lib).grad(f)
        return f(t(lib, 1.5).sum())

    agree(run)


def test_no_perturbation_confusion() -> None:
    """d/dx [x d/dy (x + y)] = 1, and a function of the outer variable inside an inner derivative."""

    def run(lib: Any) -> Any:
        grad = namespace(lib).grad
        x = t(lib, 3.0).sum()
        return [
            grad(lambda x: x * grad(lambda y: x + y)(x))(x),
            grad(lambda x: x * grad(lambda y: x * y * y)(x))(x),
            grad(lambda x: grad(lambda y: x**2 * y**3)(2 * x))(x),
        ]

    agree(run)


@pytest.mark.parametrize("argnums", [0, 1, -1, (0,), (1, 0), (0, -1)])
def test_argnums(argnums: Any) -> None:
    f = lambda x, y, scale=1.0: (x * y * y).sum() * scale  # noqa: E731
    agree(lambda lib: namespace(lib).grad(f, argnums=argnums)(t(lib, 1, 2), t(lib, 3, 4), scale=2.0))
    agree(lambda lib: namespace(lib).jacrev(f, argnums=argnums)(t(lib, 1, 2), t(lib, 3, 4)))


@pytest.mark.parametrize("argnums", [(0, 0), (1, -1), (), [0, 1], "x", 2, -3, (0, 2)])
def test_wrong_argnums_are_torchs_errors(argnums: Any) -> None:
    for transform in ("grad", "jacrev", "jacfwd", "hessian"):
        for lib in (am, torch):
            with pytest.raises(RuntimeError, match=r"(?i)argnums?( elements)? ?(must|=)"):
                getattr(lib.func, transform)(lambda x, y: x * y, argnums=argnums)(lib.tensor(2.0), lib.tensor(3.0))


def test_errors_name_the_function_that_was_called() -> None:
    for name in ("vhp", "hvp"):
        with pytest.raises(RuntimeError, match=f"The function given to {name} should return a single Tensor"):
            getattr(am.autograd.functional, name)(lambda x: (x, x), am.ones(2), am.ones(2))


def test_aux_and_trees() -> None:
    def f(params: Any, x: Any) -> Any:
        y = params["w"] * x + params["b"][0]
        return (y * y).sum(), {"y": y, "n": y * 0}

    def run(lib: Any) -> Any:
        params = OrderedDict(w=t(lib, 1, 2), b=[t(lib, 5.0)])
        x = t(lib, 3, 4)
        slopes, aux = namespace(lib).grad(f, has_aux=True)(params, x)
        again, (value, aux_2) = namespace(lib).grad_and_value(f, has_aux=True)(params, x)
        assert type(slopes) is OrderedDict and not aux["y"].requires_grad and not value.requires_grad
        return [dict(slopes), aux, dict(again), value, aux_2]

    agree(run)
    (value, aux), slopes = func.value_and_grad(f, has_aux=True)({"w": t(am, 1, 2), "b": [t(am, 5.0)]}, t(am, 3, 4))
    assert value.item() == 8**2 + 13**2 and not aux["n"].any() and slopes["b"][0].tolist() == [2 * (8 + 13)]


def test_vjp_and_jvp_of_func() -> None:
    def run(lib: Any) -> Any:
        f = lambda x, y: {"p": x * y, "s": (x.sum(), y)}  # noqa: E731
        xs = (t(lib, 1, 2), t(lib, 3, 4))
        value, pull_back = namespace(lib).vjp(f, *xs)
        cotangents = {"p": t(lib, 1, 10), "s": (t(lib, 2.0).sum(), t(lib, 5, 6))}
        one, other = namespace(lib).vjp(lambda x: x * x, xs[0])
        moved = namespace(lib).jvp(f, xs, (t(lib, 1, 0), t(lib, 0, 1)))
        aux = namespace(lib).vjp(lambda x: (x * x, {"twice": 2 * x}), xs[0], has_aux=True)
        aux_2 = namespace(lib).jvp(lambda x: (x * x, 7 * x), xs[:1], xs[1:], has_aux=True)
        return [value, pull_back(cotangents), pull_back(cotangents), one, other(xs[1]), moved, aux[0], aux[2], aux_2]

    agree(run)


@pytest.mark.parametrize("name", ["jacrev", "jacfwd"])
def test_jacobians(name: str) -> None:
    def run(lib: Any) -> Any:
        jac = getattr(namespace(lib), name)
        x, y = t(lib, 1, 2, 3, 4, shape=(2, 2)), t(lib, 5, 6)
        return [
            jac(lambda x: x @ x)(x),
            jac(lambda x, y: {"xy": x @ y, "s": y.sum()}, argnums=(0, 1))(x, y),
            jac(lambda x: (x.sum(), {"n": 2 * x}), has_aux=True)(x),
            jac(lambda x: (x.sum() * 0, x * 2))(y),
            jac(lambda p: p["a"] * p["b"])({"a": y, "b": y * 2}),
            jac(jac(lambda x: x.exp() * x.sum()))(y),
        ]

    agree(run)


def test_hessian_of_func() -> None:
    agree(lambda lib: namespace(lib).hessian(lambda x: (x**3).sum() * x[0])(t(lib, 1, 2)))
    f = lambda x, y: (x * x * y.sum()).sum()  # noqa: E731
    agree(lambda lib: namespace(lib).hessian(f, argnums=(0, 1))(t(lib, 1, 2), t(lib, 3, 4)))


def test_grad_mode_outside_and_inside() -> None:
    """no_grad around a derivative does not disturb it, and makes its result constant; inside it counts as usual."""

    def run(lib: Any) -> Any:
        grad = namespace(lib).grad
        x = t(lib, 3.0).sum()
        with lib.no_grad():
            outside = grad(lambda x: x**2)(x)

        def f(x: Any) -> Any:
            with lib.no_grad():
                c = x**2
            return x - c

        return [outside, grad(f)(x), grad(lambda x: x * func.stop_gradient(x) if lib is am else x * x.detach())(x)]

    agree(run)
    w = t(am, 3.0).requires_grad_()
    with am.no_grad():
        assert not func.grad(lambda x: (w * x * x).sum())(t(am, 1.0)).requires_grad


def test_results_require_grad_only_where_something_outside_does() -> None:
    def run(lib: Any) -> Any:
        grad = namespace(lib).grad
        x, w = t(lib, 2.0), t(lib, 3.0).requires_grad_()
        f = lambda x: (x**3).sum()  # noqa: E731
        assert not grad(f)(x).requires_grad
        through_x = grad(f)(w)
        through_w = grad(lambda x: (w * w * x).sum())(x)
        value, pull_back = namespace(lib).vjp(lambda x: x * x, x)
        assert not value.requires_grad
        (through_v,) = pull_back(w)
        found = [lib.autograd.grad(y.sum(), w) for y in (through_x, through_w, through_v)]
        assert lib is torch or not pull_back(x)[0].requires_grad
        return found

    agree(run)


def test_inputs_stay_as_they_are() -> None:
    x = t(am, 1, 2).requires_grad_()
    y = t(am, 3, 4)
    func.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(x, y)
    assert x.grad is None and y.grad is None and not y.requires_grad and x.is_leaf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, lib: f.grad(lambda x: x)(t(lib, 1, 2)), "scalar"),
        (lambda f, lib: f.grad(lambda x: 3.0)(t(lib, 1, 2)), None),
        (lambda f, lib: f.grad(lambda x: x.sum(), argnums=2)(t(lib, 1)), "argnum=2, but only 1"),
        (lambda f, lib: f.grad(lambda x: x.sum())(3.0), "Tensor"),
        (lambda f, lib: f.grad(lambda x: x.sum(), has_aux=True)(t(lib, 1)), None),
        (lambda f, lib: f.jvp(lambda x: x, t(lib, 1), t(lib, 1)), "tuple"),
        (lambda f, lib: f.jvp(lambda x: x, (t(lib, 1),), (t(lib, 1, 2),)), None),
        (lambda f, lib: f.vjp(lambda x: x, t(lib, 1, 2))[1](t(lib, 1)), None),
    ],
)
def test_errors_of_func(call: Any, message: str | None) -> None:
    for lib in LIBRARIES:
        with pytest.raises((RuntimeError, ValueError, TypeError), match=message):
            call(namespace(lib), lib)


@given(st.data())
def test_products_agree_with_the_jacobian(data: Any) -> None:
    """v^T J and J v of a random function are products with the Jacobian; rows and columns give the same one."""
    n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))

    def draw(*shape: int) -> Any:
        return data.draw(tensors(shape, elements=st.floats(-2, 2, allow_subnormal=False)))

    a, x, v, u = draw(m, n), draw(n), draw(n), draw(m)
    steps = data.draw(st.lists(st.sampled_from(["tanh", "sigmoid", "square", "exp"]), max_size=3))

    def f(x: Any) -> Any:
        for step in steps:
            x = x * x if step == "square" else getattr(x.tanh(), step)()
        return a @ x

    jac = func.jacrev(f)(x)
    np.testing.assert_allclose(func.jacfwd(f)(x).numpy(), jac.numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(func.vjp(f, x)[1](u)[0].numpy(), (u @ jac).numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(func.jvp(f, (x,), (v,))[1].numpy(), (jac @ v).numpy(), rtol=1e-10, atol=1e-10)
    g = lambda x: (f(x) * u).sum()  # noqa: E731
    second = func.hessian(g)(x)
    np.testing.assert_allclose(second.numpy(), second.numpy().T, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        am.autograd.functional.hvp(g, x, v)[1].numpy(), (second @ v).numpy(), rtol=1e-9, atol=1e-9
    )
