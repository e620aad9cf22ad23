"""The engine on cases small enough to be followed by hand: graphs, modes, memory, hooks, in-place changes."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.modes import current_mode
from autograd_mini.primitive import PRIMITIVES, primitive


def leaf(*values: float) -> am.Tensor:
    return am.tensor(values[0] if len(values) == 1 else list(values), dtype=am.float64, requires_grad=True)


@pytest.fixture
def op() -> Iterator[Callable[..., Any]]:
    """Makes a primitive that is forgotten after the test."""
    before = dict(PRIMITIVES)
    yield lambda forward, **rules: primitive(forward, name="made_up", public=False, **rules)
    PRIMITIVES.clear()
    PRIMITIVES.update(before)


# -------------------------------------------------------------------------------------------- the chain rule


def test_chain_rule_by_hand() -> None:
    """y = (3x + 1)²: dy/dx = 2 (3x + 1) · 3 = 42 at x = 2."""
    x = leaf(2.0)
    y = (3 * x + 1) ** 2
    y.backward()
    assert (y.item(), x.grad.item()) == (49.0, 42.0)


def test_two_inputs_by_hand() -> None:
    """f = x y + x: df/dx = y + 1, df/dy = x."""
    x, y = leaf(3.0), leaf(5.0)
    (x * y + x).backward()
    assert (x.grad.item(), y.grad.item()) == (6.0, 3.0)


def test_fan_out_adds() -> None:
    """x used twice in a product, thrice in a sum: d(x² + 3x)/dx = 2x + 3."""
    x = leaf(4.0)
    (x * x + x + x + x).backward()
    assert x.grad.item() == 11.0


def test_diamond() -> None:
    """a = 2x feeds b = a² and c = 3a; d(b c)/dx with b c = 12 x² · 2x = 24 x³: 72 x²."""
    x = leaf(1.5)
    a = 2 * x
    b, c = a * a, 3 * a
    (b * c).backward()
    assert x.grad.item() == pytest.approx(72 * 1.5**2)


def test_matrix_product_by_hand() -> None:
    """Y = X W summed: dX is the row sums of W, dW the column sums of X, repeated."""
    x = am.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    w = am.tensor([[1.0, 10.0], [100.0, 1000.0]], requires_grad=True)
    (x @ w).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[11, 1100], [11, 1100]])
    np.testing.assert_array_equal(w.grad.numpy(), [[4, 4], [6, 6]])


def test_broadcast_input_gets_the_sum() -> None:
    row, column = leaf(1.0, 2.0, 3.0), am.ones(2, 1, dtype=am.float64, requires_grad=True)
    (row * column).backward(am.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    np.testing.assert_array_equal(row.grad.numpy(), [11, 22, 33])
    np.testing.assert_array_equal(column.grad.numpy(), [[1 + 4 + 9], [10 + 40 + 90]])


SMALLER = [((2, 3, 4), shape) for shape in [(3, 1), (1, 4), (1, 1), (2, 1, 4), (1, 3, 1), (4,), (1,), ()]]


@pytest.mark.parametrize("wide, shape", [*SMALLER, ((1, 3, 4), (1, 4)), ((1, 3, 4), (3, 1))])
def test_broadcast_over_new_axes_and_old_ones(wide: tuple[int, ...], shape: tuple[int, ...]) -> None:
    weights = np.arange(24.0)[: np.prod(wide)].reshape(wide)
    x = am.tensor(np.ones(shape), requires_grad=True)
    (x * am.tensor(weights)).sum().backward()
    spread = np.ones((1,) * (3 - len(shape)) + shape)
    over = tuple(axis for axis in range(3) if spread.shape[axis] == 1)
    assert x.grad.tolist() == weights.sum(over, keepdims=True).reshape(shape).tolist()


def test_a_rules_gradient_may_be_narrower_than_the_input(op: Callable[..., Any]) -> None:
    """Here that of a sum of rows: it is repeated, after the axes that the input lacks were summed."""
    add_total = op(lambda x, y: x.sum(-1, keepdims=True) + y, x=lambda g: g, y=lambda g: g)
    x, y = leaf(1.0, 2.0, 3.0), am.ones(5, 1, dtype=am.float64)
    add_total(x, y).sum().backward()
    assert x.grad.tolist() == [5, 5, 5]


def test_a_gradient_that_a_graph_keeps_and_that_grows_is_noticed() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x * x).sum().backward()
    penalty = (x.grad * w).sum()  # keeps x.grad
    (x * x).sum().backward()  # adds to it in place
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        penalty.backward()


def test_gradient_argument_weighs_the_outputs() -> None:
    x = leaf(1.0, 2.0)
    (x * x).backward(am.tensor([10.0, 100.0]))
    np.testing.assert_array_equal(x.grad.numpy(), [20, 400])


def test_gradients_accumulate_until_cleared() -> None:
    x = leaf(3.0)
    (x * x).backward()
    (x * x).backward()
    assert x.grad.item() == 12.0
    x.grad = None
    (x * x).backward()
    assert x.grad.item() == 6.0


def test_only_leaves_keep_gradients() -> None:
    x = leaf(3.0)
    y = x * 2
    (y * y).backward()
    assert y.grad is None and x.grad.item() == 24.0
    assert x.is_leaf and not y.is_leaf and am.ones(1).is_leaf


def test_leaf_alone() -> None:
    x = leaf(1.0, 2.0)
    seed = am.tensor(np.array([5.0, 7.0]))
    x.backward(seed)
    np.testing.assert_array_equal(x.grad.numpy(), [5, 7])
    assert not np.shares_memory(x.grad.numpy(), seed.numpy())


def test_backward_fills_only_the_inputs_asked_for() -> None:
    x, y = leaf(2.0), leaf(3.0)
    (x * y).backward(inputs=[x])
    assert x.grad.item() == 3.0 and y.grad is None


def test_order_of_creation_does_not_matter() -> None:
    """Operands made long before or after each other: the youngest node is always taken first."""
    x = leaf(2.0)
    old = x * 3
    new = x * 5
    for _ in range(3):
        new = new * 2
    (old * new * old).backward()  # 9 x² · 40 x = 360 x³
    assert x.grad.item() == 1080 * 4


# --------------------------------------------------------------------------------------- using a graph again


def test_second_backward_is_an_error_that_says_what_to_do() -> None:
    x = leaf(1.0)
    y = x.exp()
    y.backward()
    with pytest.raises(RuntimeError, match=r"second time.*ExpBackward.*retain_graph=True"):
        y.backward()


def test_retain_graph_allows_it() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0


def test_shared_part_of_two_graphs() -> None:
    x = leaf(2.0)
    shared = x * x
    one, other = shared * 2, shared * 3
    one.backward(retain_graph=True)
    other.backward()
    assert x.grad.item() == 20.0


def test_kept_values_are_freed_by_backward() -> None:
    x = leaf(2.0, 3.0)
    y = x * 2
    z = y * y
    array = weakref.ref(y._array)
    loss = z.sum()
    del y, z
    assert array() is not None
    loss.backward()
    assert array() is None


# ----------------------------------------------------------------------------------------------------- modes


def recorded() -> bool:
    return (leaf(1.0) * 2).requires_grad


def test_no_grad_enable_grad_nest() -> None:
    with am.no_grad():
        assert not recorded() and not am.is_grad_enabled()
        with am.enable_grad():
            assert recorded()
            with am.no_grad():
                assert not recorded()
            assert recorded()
        assert not recorded()
    assert recorded()


def test_decorators() -> None:
    @am.no_grad()
    def silent(depth: int) -> list[bool]:
        return [recorded(), *(silent(depth - 1) if depth else [])]

    @am.enable_grad()
    def loud() -> bool:
        return recorded()

    assert silent(2) == [False] * 3 and recorded()
    with am.no_grad():
        assert loud()
    assert silent.__name__ == "silent"


def test_set_grad_enabled_as_function_and_as_block() -> None:
    with am.set_grad_enabled(False):
        assert not recorded()
    assert recorded()
    try:
        am.set_grad_enabled(False)
        assert not recorded()
    finally:
        am.set_grad_enabled(True)
    assert recorded()


def test_one_object_may_be_entered_twice() -> None:
    silent = am.no_grad()
    with silent, silent:
        assert not recorded()
    assert recorded()


@pytest.mark.parametrize("switch", [am.no_grad, lambda: am.set_grad_enabled(False)])
def test_exceptions_restore_the_mode(switch: Any) -> None:
    with pytest.raises(KeyError), switch():
        raise KeyError
    assert recorded()

    @am.no_grad()
    def fails() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert recorded()


def test_generators_leave_no_mode_behind() -> None:
    @am.no_grad()
    def steps() -> Iterator[Any]:
        sent = yield recorded()
        yield recorded(), sent
        return

    running = steps()
    assert next(running) is False
    assert recorded()
    assert running.send("hello") == (False, "hello")
    assert recorded()
    assert list(running) == []


def test_generators_see_what_is_thrown_into_them() -> None:
    seen = []

    @am.no_grad()
    def steps() -> Iterator[int]:
        try:
            yield 1
        except KeyError:
            seen.append("caught")
            yield 2
        finally:
            seen.append("closed")

    running = steps()
    next(running)
    assert running.throw(KeyError()) == 2
    running.close()
    assert seen == ["caught", "closed"] and recorded()


def test_threads_have_modes_of_their_own() -> None:
    seen: dict[str, bool] = {}
    inside, done = threading.Event(), threading.Event()

    def silent() -> None:
        with am.no_grad():
            inside.set()
            done.wait(10)
            seen["silent"] = recorded()

    def loud() -> None:
        inside.wait(10)
        seen["loud"] = recorded()
        done.set()

    threads = [threading.Thread(target=f) for f in (silent, loud)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"silent": False, "loud": True}


def test_tasks_have_modes_of_their_own() -> None:
    async def silent() -> bool:
        with am.no_grad():
            await asyncio.sleep(0)
            return recorded()

    async def loud() -> bool:
        await asyncio.sleep(0)
        return recorded()

    async def main() -> list[bool]:
        return list(await asyncio.gather(silent(), loud(), silent(), loud()))

    assert asyncio.run(main()) == [False, True, False, True]


def test_threads_add_to_a_shared_leaf() -> None:
    w = am.ones(100, dtype=am.float64, requires_grad=True)

    def work() -> None:
        for _ in range(100):
            (w * 2).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(w.grad.numpy(), np.full(100, 800.0))


# ---------------------------------------------------------------------------------------- memory and long graphs


@pytest.fixture
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("create_graph", [False, True])
def test_no_reference_cycles(create_graph: bool) -> None:
    """What is dropped is gone at once, without the garbage collector: the graph, its arrays and its gradients."""
    x = leaf(1.0, 2.0)
    y = (x * 2).exp()
    z = (y * y + am.cat([y, y])[:2]).sum()
    z.backward(create_graph=create_graph)
    dead = [weakref.ref(o) for o in (y, z, y._array, x.grad, x)]
    x.grad = None if create_graph else x.grad  # PyTorch, too, has a cycle here: x -> x.grad -> graph -> x
    del x, y, z
    assert [ref() for ref in dead] == [None] * len(dead)


@pytest.mark.usefixtures("collector_off")
def test_no_reference_cycles_after_in_place_and_hooks() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: g * 2)
    y.retain_grad()
    y[0] = 5.0
    y += 1
    z = y.sum()
    z.backward()
    dead = [weakref.ref(o) for o in (x, y, z, y._array)]
    del x, y, z
    assert [ref() for ref in dead] == [None] * len(dead)


def long_chain(n: int) -> None:
    x = leaf(1.0)
    y = x
    for _ in range(n):
        y = y + 1.0
    assert y.item() == n + 1.0
    assert "AddBackward" in repr(y)
    y.backward()
    assert x.grad.item() == 1.0
    del y  # deallocation, too, must not recurse


def test_long_chain_without_recursion() -> None:
    long_chain(200_000)


def test_long_chain_dropped_without_backward() -> None:
    y = leaf(1.0)
    for _ in range(200_000):
        y = y * 1.0
    del y


def test_long_chain_with_targets_and_create_graph() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y * 1.0
    (g,) = am.autograd.grad(y, x, create_graph=True)
    assert g.item() == 1.0


def test_gradients_are_deterministic() -> None:
    """Bit for bit, in spite of float addition: the order of additions is fixed."""

    def run() -> Any:
        x = am.tensor(np.random.default_rng(0).standard_normal(1000).astype(np.float32), requires_grad=True)
        parts = [x * float(k) ** 0.5 for k in range(50)]
        am.stack(parts).exp().sum().backward()
        return x.grad.numpy()

    first = run()
    for _ in range(3):
        np.testing.assert_array_equal(run(), first)


# --------------------------------------------------------------------------- what is computed, and what is kept


def test_rules_run_only_for_inputs_that_need_them(op: Any) -> None:
    calls: list[str] = []

    def rule(name: str) -> Callable[[Any], Any]:
        def called(g: Any) -> Any:
            calls.append(name)
            return g

        return called

    product = op(lambda x, y: x + y, x=rule("x"), y=rule("y"))
    data, weight = am.tensor([1.0]), am.tensor([2.0], requires_grad=True)
    product(data, weight).backward()
    assert calls == ["y"]
    product(weight, data).backward()
    assert calls == ["y", "x"]
    assert not product(data, data).requires_grad


def test_rules_run_only_on_the_way_to_the_targets(op: Any) -> None:
    calls: list[str] = []

    def counted(g: Any) -> Any:
        calls.append("called")
        return g

    watched = op(lambda x: x * 1.0, x=counted)
    x, y = leaf(1.0), leaf(2.0)
    out = watched(x) * y
    am.autograd.grad(out, y, retain_graph=True)
    assert calls == []
    am.autograd.grad(out, x)
    assert calls == ["called"]


def kept(tensor: am.Tensor) -> dict[str, Any]:
    node = tensor.grad_fn
    return {n: v for n, v in zip(node.primitive.asked, node.kept, strict=True) if v is not None}


def test_kept_memory_is_what_the_rules_ask_for() -> None:
    x, y, data = leaf(1.0, -2.0), leaf(3.0, 4.0), am.tensor(np.array([5.0, 6.0]))
    assert kept(x + y) == {}
    assert kept(-x) == {}
    assert kept(x.sum()) == {"x_shape": (2,), "keepdims": False}
    relu = x.relu()
    assert list(kept(relu)) == ["out"] and kept(relu)["out"] is relu._array
    assert list(kept(x.exp())) == ["out"]
    assert list(kept(x * y)) == ["y", "x"]
    product = x * data  # only the gradient of x is wanted, so only data is kept
    assert list(kept(product)) == ["y"] and kept(product)["y"] is data._array
    assert list(kept(data * x)) == ["x"]
    assert list(kept(x.reshape(2, 1))) == ["x_shape"]


def test_unknown_names_in_rules_are_refused(op: Any) -> None:
    with pytest.raises(TypeError, match="'z'"):
        op(lambda x: x, x=lambda g, z: g)
    with pytest.raises(TypeError, match="'y'"):
        op(lambda x: x, y=lambda g: g)


def test_error_in_a_rule_names_it_in_the_traceback(op: Any) -> None:
    wrong = op(lambda x: x * 1.0, x=lambda g: g.no_such_method())
    with pytest.raises(AttributeError) as caught:
        wrong(leaf(1.0)).backward()
    assert caught.traceback[-1].name == "made_up_backward_x"


def test_gradient_is_cast_to_the_dtype_of_its_input() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    (x.double() * 2).sum().backward()
    assert x.grad.dtype == am.float32
    half = am.tensor([1.0, 2.0], dtype=am.float16, requires_grad=True)
    (half * x).sum().backward()
    assert half.grad.dtype == am.float16


def test_gradient_of_a_number_is_cast_after_a_rule_of_the_users(op: Any) -> None:
    x = am.tensor(2.0, requires_grad=True)
    cubed = op(lambda x: x**3, x=lambda g, x: g * np.float64(3) * x**2)
    cubed(x).backward()
    assert x.grad is not None and x.grad.dtype == am.float32 and x.grad.item() == 12


# --------------------------------------------------------------------------------------------------- hooks


def test_hook_sees_the_whole_gradient_once() -> None:
    x = leaf(2.0)
    y = x * 3
    seen: list[float] = []
    y.register_hook(lambda g: seen.append(g.item()))
    (y * y + y).backward()  # two paths into y: 2y + 1
    assert seen == [13.0]


def test_hook_replaces_the_gradient() -> None:
    x = leaf(2.0)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g + 1)
    y.backward()
    assert x.grad.item() == 33.0


def test_hook_on_a_leaf_and_its_removal() -> None:
    x = leaf(2.0)
    handle = x.register_hook(lambda g: -g)
    (x * 3).backward()
    assert x.grad.item() == -3.0
    handle.remove()
    handle.remove()
    x.grad = None
    (x * 3).backward()
    assert x.grad.item() == 3.0


def test_hook_of_the_wrong_shape_is_refused() -> None:
    y = leaf(1.0, 2.0) * 3
    y.register_hook(lambda g: g.sum())
    with pytest.raises(RuntimeError, match=r"shape \(\) for a tensor of \(2,\)"):
        y.sum().backward()


def test_hook_cannot_spoil_what_others_see() -> None:
    """A hook is given an array of its own: writing into it changes nothing that it does not return."""
    x = leaf(1.0, 2.0)
    y = x * 1.0

    def vandal(g: am.Tensor) -> None:
        g[...] = 99.0

    y.register_hook(vandal)
    (y + 0).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1])


def test_retain_grad() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    z = y * y
    z.backward()
    assert y.grad.item() == 12.0 and x.grad.item() == 36.0 and z.grad is None
    assert y.retains_grad and not x.retains_grad
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        am.ones(1).retain_grad()


# ------------------------------------------------------------------------------------------- in-place changes


def test_overwritten_kept_value_is_an_error_that_names_the_operation() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()  # keeps its output
    with am.no_grad():
        y += 1
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation: 'out'.*ExpBackward"):
        y.sum().backward()


def test_overwritten_input_is_an_error() -> None:
    w, x = leaf(1.0, 2.0), am.tensor(np.array([3.0, 4.0]))
    loss = (w * x).sum()
    x[0] = 7.0
    with pytest.raises(RuntimeError, match="MulBackward"):
        loss.backward()


def test_overwritten_through_a_view_is_an_error() -> None:
    w, x = leaf(1.0, 2.0), am.tensor(np.array([3.0, 4.0]))
    view = x[1:]
    loss = (w * x).sum()
    view += 1
    with pytest.raises(RuntimeError, match="MulBackward"):
        loss.backward()


def test_base_overwritten_while_a_view_is_kept_is_an_error() -> None:
    w, x = leaf(1.0), am.tensor(np.array([3.0, 4.0]))
    loss = (w * x[1:]).sum()
    x += 1
    with pytest.raises(RuntimeError, match="MulBackward"):
        loss.backward()


def test_writing_what_nobody_kept_is_fine() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2  # keeps neither input nor output that is written below
    y += 1
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 2])


def test_writing_before_the_value_is_used_is_fine() -> None:
    w, x = leaf(1.0, 2.0), am.tensor(np.array([3.0, 4.0]))
    x *= 10
    (w * x).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [30, 40])


def test_optimizer_style_writes() -> None:
    w = leaf(1.0, 2.0)
    for _ in range(3):
        w.grad = None
        (w * w).sum().backward()
        with am.no_grad():
            w -= 0.25 * w.grad
    np.testing.assert_array_equal(w.detach().numpy(), [0.125, 0.25])
    assert w.is_leaf and w.requires_grad


def test_write_between_forward_and_backward_of_a_parameter_is_an_error() -> None:
    w = leaf(1.0, 2.0)
    loss = (w * w).sum()
    with am.no_grad():
        w -= 0.1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_leaf_refuses_in_place() -> None:
    w = leaf(1.0, 2.0)
    for change in (lambda: w.add_(1), lambda: w.__setitem__(0, 1.0), lambda: w.zero_(), lambda: w[0:1].mul_(2)):
        with pytest.raises(RuntimeError, match="leaf"):
            change()
    np.testing.assert_array_equal(w.detach().numpy(), [1, 2])


def test_augmented_item_assignment() -> None:
    """y = 2x; y[0] += v; loss = Σ y²: dx = 4 y, dv = 2 y[0]."""
    x, v = leaf(1.0, 2.0), leaf(5.0)
    y = x * 2
    y[0] += v
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4 * 7, 4 * 4])
    assert v.grad.item() == 14.0


def test_in_place_product_with_a_factor_that_requires_grad() -> None:
    """y = 3x; y *= w; loss = Σ y: dx = 3 w, dw = 3 x (the old y, not the new one)."""
    x, w = leaf(1.0, 2.0), leaf(5.0, 7.0)
    y = x * 3
    y *= w
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [15, 21])
    np.testing.assert_array_equal(w.grad.numpy(), [3, 6])


def test_in_place_keeps_identity_and_memory() -> None:
    x = am.ones(3)
    array = x._array
    same = x
    x += 1
    assert x is same and x._array is array
    np.testing.assert_array_equal(array, [2, 2, 2])


def test_in_place_result_that_is_needed_is_kept_after_the_write() -> None:
    """y.exp_() keeps its own output, which is y's new value."""
    x = leaf(0.0, 1.0)
    y = x * 1.0
    y.exp_()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([0.0, 1.0]))


def test_constant_written_over_a_result_cuts_its_history() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    y.zero_()
    (y + x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1])


def test_assignment_gives_gradients_to_both_sides() -> None:
    x, v = leaf(1.0, 2.0, 3.0), leaf(10.0)
    y = x * 1.0
    y[1] = v
    (y * am.tensor(np.array([1.0, 2.0, 4.0]))).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 0, 4])
    assert v.grad.item() == 2.0


def test_assignment_into_a_plain_tensor_makes_it_require_grad() -> None:
    buffer, v = am.zeros(3, dtype=am.float64), leaf(2.0)
    buffer[1] = v * 3
    assert buffer.requires_grad
    (buffer * buffer).sum().backward()
    assert v.grad.item() == 36.0


def test_what_was_detached_from_a_changed_tensor_is_refused() -> None:
    x, v = leaf(1.0, 2.0), leaf(5.0)
    y = x * 1.0
    y.detach()[0] = v
    with pytest.raises(RuntimeError, match="changed in place"):
        y * 2


def test_no_grad_write_into_a_leaf_through_a_view() -> None:
    w = leaf(1.0, 2.0)
    with am.no_grad():
        w[0] = 9.0
    np.testing.assert_array_equal(w.detach().numpy(), [9, 2])
    assert w.is_leaf and w.requires_grad


def test_gradient_can_be_clipped_in_place() -> None:
    x = leaf(1.0, 2.0)
    (x * 10).sum().backward()
    x.grad.mul_(0.5)
    (x * 10).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [15, 15])


# ----------------------------------------------------------------------------------- gradients are one's own


def test_sum_of_two_leaves_gives_each_an_array_of_its_own() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = am.tensor(np.array([1.0, 1.0]))
    (x + y).backward(seed)
    x.grad.mul_(100)
    np.testing.assert_array_equal(y.grad.numpy(), [1, 1])
    np.testing.assert_array_equal(seed.numpy(), [1, 1])


def test_gradients_of_parts_do_not_overlap() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    am.cat([x, y]).backward(am.tensor(np.arange(4.0)))
    assert not np.shares_memory(x.grad.numpy(), y.grad.numpy())
    assert x.grad.numpy().base is None or x.grad.numpy().base.size == 2


@pytest.mark.parametrize("name", ["sum", "mean"])
def test_repeated_gradient_is_written_out(name: str) -> None:
    x = am.ones(3, 4, requires_grad=True)
    getattr(x, name)().backward()
    gradient = x.grad.numpy()
    assert gradient.flags.writeable and 0 not in gradient.strides


def test_zero_d_gradient_can_be_written() -> None:
    x = leaf(2.0)
    (x * x).backward()
    x.grad.mul_(0.5)
    assert x.grad.item() == 2.0
    (x * x).backward()
    assert x.grad.item() == 6.0


# ------------------------------------------------------------------------------------------------- the graph


def test_the_graph_can_be_walked() -> None:
    x = leaf(1.0)
    y = (x * 2).exp()
    assert repr(y.grad_fn) == "<ExpBackward>"
    ((inner, _),) = y.grad_fn.next_functions
    assert inner.name == "MulBackward" and inner.next_functions[0][0].name == "AccumulateGrad"
    assert inner.next_functions[1][0] is None  # the number 2


def test_requires_grad_can_be_switched() -> None:
    x = am.ones(2)
    x.requires_grad = True
    (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 2])
    x.requires_grad_(False)
    assert not (x * 2).requires_grad
    np.testing.assert_array_equal(x.grad.numpy(), [2, 2])
    with pytest.raises(RuntimeError, match="leaf"):
        (am.ones(2, requires_grad=True) * 2).requires_grad_(False)


def test_numbers_of_nodes_order_the_graph() -> None:
    x = leaf(1.0)
    y = x * 2
    z = y + x
    assert x._node.number < y._node.number < z._node.number


def test_mode_is_what_a_node_was_made_in() -> None:
    x = leaf(2.0)
    y = x**3
    (g,) = am.autograd.grad(y, x, create_graph=True)
    assert y.grad_fn.mode.order == 0 and g.grad_fn.mode.order == 1
    assert current_mode().order == 0


def test_grad_can_be_assigned_with_and_without_requires_grad() -> None:
    for x in (am.ones(2), am.ones(2, requires_grad=True)):
        assert x.grad is None
        x.grad = am.tensor([3.0, 4.0])
        assert x.grad.tolist() == [3, 4]
    x.requires_grad_(False)
    assert x.grad.tolist() == [3, 4]
    x.requires_grad_()
    assert x.grad.tolist() == [3, 4]
    x.grad = None
    assert x.grad is None


def test_post_accumulate_hook_sees_the_leaf_with_its_gradient() -> None:
    x, seen = leaf(2.0), []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append((t is x, t.grad.item())))
    (x * 3).backward()
    (x * 3).backward()
    assert seen == [(True, 3.0), (True, 6.0)]
    handle.remove()
    (x * 3).backward()
    assert len(seen) == 2
    for wrong in (x * 2, am.ones(1)):
        with pytest.raises(RuntimeError, match="leaf"):
            wrong.register_post_accumulate_grad_hook(print)
