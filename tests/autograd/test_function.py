"""autograd.Function: the same classes, written once, run by this package and by PyTorch."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.autograd.function import once_differentiable
from autograd_mini.testing import battery, gradcheck, gradgradcheck

torch = pytest.importorskip("torch")


def both(x: Any, requires_grad: bool = True) -> list[tuple[Any, Any]]:
    """(library, its tensor) for this package and for PyTorch."""
    array = np.array(x, dtype=np.float64)
    return [(lib, lib.tensor(array.copy(), dtype=lib.float64, requires_grad=requires_grad)) for lib in (am, torch)]


def numbers(*tensors: Any) -> list[Any]:
    return [None if t is None else np.asarray(t.detach().numpy()).tolist() for t in tensors]


def agree(run: Any, *arrays: Any) -> None:
    """`run(library, *tensors)` returns tensors: the same numbers in both libraries."""
    ours, theirs = (numbers(*run(lib, *(pair[k][1] for pair in map(both, arrays)))) for k, lib in ((0, am), (1, torch)))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        if other is None:
            assert one is None
        else:
            np.testing.assert_allclose(one, other, rtol=1e-12)


def classes(lib: Any) -> dict[str, Any]:
    """The functions under test, made for one library."""

    class Cube(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    class Exp(lib.autograd.Function):
        """Saves its output."""

        @staticmethod
        def forward(ctx, x):
            out = x.exp()
            ctx.save_for_backward(out)
            return out

        @staticmethod
        def backward(ctx, g):
            (out,) = ctx.saved_tensors
            return g * out

    class MulAdd(lib.autograd.Function):
        """x * y * scale, a number among the arguments, in the style of setup_context."""

        @staticmethod
        def forward(x, y, scale):
            return x * y * scale

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, y, ctx.scale = inputs
            ctx.save_for_backward(x, y)

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y * ctx.scale, g * x * ctx.scale, None

    class ExpAndSquare(lib.autograd.Function):
        """Two outputs; saves an input and an output."""

        @staticmethod
        def forward(ctx, x, y):
            e, s = x.exp(), x * y
            ctx.save_for_backward(x, y, e)
            return e, s

        @staticmethod
        def backward(ctx, ge, gs):
            x, y, e = ctx.saved_tensors
            return ge * e + gs * y, gs * x

    return {c.__name__: c for c in (Cube, Exp, MulAdd, ExpAndSquare)}


X, Y = [0.5, -1.5, 2.0], [1.0, 3.0, -2.0]


def test_value_and_gradient() -> None:
    def run(lib: Any, x: Any) -> list[Any]:
        y = classes(lib)["Cube"].apply(x)
        y.sum().backward()
        return [y, x.grad]

    agree(run, X)


@pytest.mark.parametrize("name", ["Cube", "Exp"])
def test_third_derivative(name: str) -> None:
    def run(lib: Any, x: Any) -> list[Any]:
        y, found = classes(lib)[name].apply(x), []
        for _ in range(3):
            (y,) = lib.autograd.grad(y.sum(), x, create_graph=True)
            found.append(y)
        return found

    agree(run, X)


def test_setup_context_and_a_number_among_the_arguments() -> None:
    def run(lib: Any, x: Any, y: Any) -> list[Any]:
        z = classes(lib)["MulAdd"].apply(x, y, 2.5)
        gx, gy = lib.autograd.grad(z.sum(), (x, y), create_graph=True)
        (gxy,) = lib.autograd.grad(gx.sum(), y)
        return [z, gx, gy, gxy]

    agree(run, X, Y)


@pytest.mark.parametrize("used", ["both", "first", "second"])
def test_two_outputs(used: str) -> None:
    def run(lib: Any, x: Any, y: Any) -> list[Any]:
        e, s = classes(lib)["ExpAndSquare"].apply(x, y)
        z = {"both": e * s, "first": e * e, "second": s * s}[used].sum()
        first = lib.autograd.grad(z, (x, y), create_graph=True)
        second = lib.autograd.grad((first[0] * first[0] + first[1]).sum(), (x, y), allow_unused=True)
        return [e, s, *first, *second]

    agree(run, X, Y)


@pytest.mark.parametrize("name", ["Cube", "Exp"])
def test_gradcheck(name: str) -> None:
    x = am.tensor(np.array(X), requires_grad=True)
    function = classes(am)[name].apply
    assert gradcheck(function, x) and gradgradcheck(function, x)
    battery(lambda x: function(x), [np.array(X)], dtypes=(np.float32,))


def test_gradcheck_of_two_outputs() -> None:
    xs = [am.tensor(np.array(v), requires_grad=True) for v in (X, Y)]
    function = classes(am)["ExpAndSquare"].apply
    assert gradcheck(function, xs) and gradgradcheck(function, xs)


def test_backward_runs_once_for_all_inputs_and_outputs() -> None:
    calls = []

    class Swap(am.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return y * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            calls.append((g.tolist(), h.tolist()))
            return h * 3, g * 2

    x, y = am.tensor(1.0, requires_grad=True), am.tensor(1.0, requires_grad=True)
    a, b = Swap.apply(x, y)
    total = a + 10 * b
    total.backward(retain_graph=True)
    assert calls == [(1.0, 10.0)] and (x.grad.item(), y.grad.item()) == (30.0, 2.0)
    total.backward()
    assert len(calls) == 2, "each backward pass computes anew"


@pytest.mark.parametrize("materialize", [True, False])
def test_materialize_grads(materialize: bool) -> None:
    def run(lib: Any, x: Any) -> list[Any]:
        seen: list[Any] = []

        class Two(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.set_materialize_grads(materialize)
                return x * 2, x * 3

            @staticmethod
            def backward(ctx, g, h):
                seen.extend([g, h])
                return h * 3 if g is None else g * 2 + h * 3

        Two.apply(x)[1].sum().backward()
        return [*seen, x.grad]

    agree(run, X)


def test_non_differentiable_outputs() -> None:
    def run(lib: Any, x: Any) -> list[Any]:
        seen: list[Any] = []

        class SortOf(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                index, double = x.argmax(), x * 2
                ctx.mark_non_differentiable(index, double)
                return x * 3, index, double

            @staticmethod
            def backward(ctx, g, g_index, g_double):
                seen.extend([g_index, g_double])
                return g * 3

        y, index, double = SortOf.apply(x)
        assert (y.requires_grad, index.requires_grad, double.requires_grad) == (True, False, False)
        y.sum().backward()
        return [y, index, double, *seen, x.grad]

    agree(run, X)


def test_no_gradient_for_an_input_is_none() -> None:
    def run(lib: Any, x: Any, y: Any) -> list[Any]:
        class First(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x, y):
                return x + y

            @staticmethod
            def backward(ctx, g):
                return g, None

        z = First.apply(x, y * 2)
        z.sum().backward()
        return [x.grad, y.grad]

    agree(run, X, Y)


def test_needs_input_grad() -> None:
    def run(lib: Any, x: Any) -> list[Any]:
        seen: list[Any] = []

        class See(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x, y, n):
                return x * y

            @staticmethod
            def backward(ctx, g):
                seen.extend(ctx.needs_input_grad)
                return g, None, None

        See.apply(x, x.detach(), 3).sum().backward()
        assert seen == [True, False, False]
        return [x.grad]

    agree(run, X)


def test_nothing_is_recorded_in_forward_nor_without_need() -> None:
    cube = classes(am)["Cube"]
    x = am.tensor(2.0, requires_grad=True)
    with am.no_grad():
        assert not cube.apply(x).requires_grad
    assert not cube.apply(x.detach()).requires_grad
    assert cube.apply(x).grad_fn.next_functions[0][0] is x._node


def test_the_gradient_is_cast_and_summed_to_the_input() -> None:
    def run(lib: Any, x: Any) -> list[Any]:
        class Repeat(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.reshape(1, -1) * lib.ones(4, 1, dtype=lib.float64)

            @staticmethod
            def backward(ctx, g):
                return g * 2  # (4, 3), for an input of shape (1, 3)

        y = x.reshape(1, 3)
        Repeat.apply(y).sum().backward()
        return [x.grad]

    agree(run, X)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda g: (g, g), "incorrect number of gradients"),
        (lambda g: (), "incorrect number of gradients"),
        (lambda g: g.sum(), "invalid gradient at index 0"),
        (lambda g: g.reshape(1, 3, 1) * g, None),
    ],
)
def test_wrong_answers_of_backward(answer: Any, message: str | None) -> None:
    for lib, x in both(X):

        class Wrong(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1

            @staticmethod
            def backward(ctx, g):
                return answer(g)

        if message is None:
            Wrong.apply(x).sum().backward()
            assert x.grad.tolist() == [3.0] * 3
        else:
            with pytest.raises(RuntimeError, match=message):
                Wrong.apply(x).sum().backward()


def test_a_gradient_for_a_number_is_an_error() -> None:
    for lib, x in both(X):

        class Wrong(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x, n):
                return x * n

            @staticmethod
            def backward(ctx, g):
                return g, g

        with pytest.raises(RuntimeError, match="different than None at position 2"):
            Wrong.apply(x, 2).sum().backward()


def test_missing_methods_and_wrong_saves() -> None:
    for lib, x in both(X):

        class Empty(lib.autograd.Function):
            pass

        class NoBackward(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1

        class SavesNumber(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(3.0)
                return x * 1

        with pytest.raises(NotImplementedError, match="forward"):
            Empty.apply(x)
        with pytest.raises((NotImplementedError, RuntimeError), match="backward"):
            NoBackward.apply(x).sum().backward()
        with pytest.raises(TypeError, match="save_for_backward can only save variables"):
            SavesNumber.apply(x)
    with pytest.raises(NotImplementedError, match="mark_dirty"):
        am.autograd.function.FunctionCtx(()).mark_dirty()


@pytest.mark.parametrize("changed", ["input", "output"])
def test_saved_tensors_changed_in_place_are_an_error(changed: str) -> None:
    for lib, x in both(X):
        y = x * 1
        z = classes(lib)["Cube" if changed == "input" else "Exp"].apply(y)
        w = z * 1
        (y if changed == "input" else z).add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            w.sum().backward()


def test_a_second_backward_needs_what_was_saved() -> None:
    def twice(lib: Any, cls: Any, x: Any, **options: Any) -> None:
        y, seed = cls.apply(x), lib.ones(3, dtype=lib.float64)
        y.backward(seed, **options)
        y.backward(seed)

    for lib, x in both(X):
        cube = classes(lib)["Cube"]
        with pytest.raises(RuntimeError, match="second time"):
            twice(lib, cube, x)
        twice(lib, cube, x, retain_graph=True)

        class Reverse(lib.autograd.Function):  # saves nothing, so nothing is missing the second time
            @staticmethod
            def forward(ctx, x):
                return x * 1

            @staticmethod
            def backward(ctx, g):
                return -g

        x.grad = None
        twice(lib, Reverse, x)
        assert x.grad.tolist() == [-2.0] * 3


def test_saved_tensors_are_there_in_backward_alone() -> None:
    kept: list[Any] = []

    class Keep(am.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, None)
            kept.append(ctx)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            assert ctx.saved_tensors[0].tolist() == X and ctx.saved_tensors[1] is None
            return g

    Keep.apply(am.tensor(X, requires_grad=True)).sum().backward()
    with pytest.raises(RuntimeError, match="while backward runs"):
        _ = kept[0].saved_tensors


def test_an_output_that_is_an_input_has_memory_of_its_own() -> None:
    class Same(am.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g

    x = am.tensor(X, requires_grad=True)
    y = Same.apply(x)
    y.add_(1)
    assert x.tolist() == X and y.tolist() == [v + 1 for v in X]


def test_gradients_share_no_memory() -> None:
    class Careless(am.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x)
            return x + y

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return x, x

    x, y = am.tensor(X, requires_grad=True), am.tensor(Y, requires_grad=True)
    for create_graph in (False, True):
        x.grad = y.grad = None
        Careless.apply(x, y).sum().backward(create_graph=create_graph)
        arrays = [x.detach().numpy(), x.grad.detach().numpy(), y.grad.detach().numpy()]
        assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_once_differentiable() -> None:
    class NumpyExp(am.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = am.tensor(np.exp(x.detach().numpy()))
            ctx.save_for_backward(out)
            return out

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return am.tensor(g.detach().numpy() * ctx.saved_tensors[0].detach().numpy())

    x = am.tensor(np.array(X), requires_grad=True)
    assert gradcheck(NumpyExp.apply, x)
    (first,) = am.autograd.grad(NumpyExp.apply(x).sum(), x, create_graph=True)
    np.testing.assert_allclose(first.detach().numpy(), np.exp(X))
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        first.sum().backward()


def test_no_reference_cycles() -> None:
    gc.disable()
    try:
        for name, count in (("Exp", 1), ("ExpAndSquare", 2)):
            xs = [am.tensor(X, requires_grad=True) for _ in range(count)]
            outputs = classes(am)[name].apply(*xs)
            arrays = [weakref.ref(o._array) for o in (outputs if isinstance(outputs, tuple) else (outputs,))]
            del outputs
            assert [r() for r in arrays] == [None] * len(arrays), name
    finally:
        gc.enable()


def test_backward_frees_what_was_saved() -> None:
    x = am.tensor(X, requires_grad=True)
    y = classes(am)["Exp"].apply(x * 1)
    z = y.sum()
    saved = weakref.ref(y._array)
    del y
    assert saved() is not None
    z.backward()
    assert saved() is None


def test_pictures_and_names_show_the_class() -> None:
    x, y = am.tensor(X, requires_grad=True), am.tensor(Y, requires_grad=True)
    assert classes(am)["Cube"].apply(x).grad_fn.name == "CubeBackward"
    e, s = classes(am)["ExpAndSquare"].apply(x, y)
    z = (e * s).sum()
    for _ in range(2):  # before and after backward
        text = am.draw.draw_graph(z, names={"x": x, "y": y}).text()
        assert "ExpAndSquare" in text and "Cube" not in text
        if x.grad is None:
            z.backward()


def test_hooks_and_retained_gradients_on_outputs() -> None:
    def run(lib: Any, x: Any, y: Any) -> list[Any]:
        e, s = classes(lib)["ExpAndSquare"].apply(x, y)
        e.retain_grad()
        s.register_hook(lambda g: g * 10)
        (e * s).sum().backward()
        return [e.grad, x.grad, y.grad]

    agree(run, X, Y)


def test_a_saved_tensor_from_outside_keeps_its_history() -> None:
    def run(lib: Any, x: Any, w: Any) -> list[Any]:
        scale = w * w

        class Scaled(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(scale)
                return x * scale

            @staticmethod
            def backward(ctx, g):
                return g * ctx.saved_tensors[0]

        (gx,) = lib.autograd.grad(Scaled.apply(x).sum(), x, create_graph=True)
        return [gx, *lib.autograd.grad(gx.sum(), w)]

    agree(run, X, Y)
