"""`backward`, `grad` and hooks do what PyTorch's do: the same program in both, the same numbers, Nones and errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am

torch = pytest.importorskip("torch")
LIBRARIES = [am, torch]
pytestmark = pytest.mark.filterwarnings("ignore:Using backward.. with create_graph:UserWarning")


def leaf(lib: Any, *values: float) -> Any:
    data: Any = list(values) if len(values) > 1 else values[0]
    return lib.tensor(data, dtype=lib.float64, requires_grad=True)


def plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if hasattr(value, "detach"):
        numbers = np.round(value.detach().numpy().astype(np.float64), 10).tolist()
        return numbers, bool(value.requires_grad)
    return value


def outcome(run: Any, lib: Any) -> Any:
    """What the program returns, or the kind of its error."""
    try:
        return plain(run(lib))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        return f"{type(error).__name__}"


# ---------------------------------------------------------------------------------------------- the programs


def grad_outputs_list(lib: Any) -> Any:
    x = leaf(lib, 1, 2)
    return lib.autograd.grad([x * x, x.sum()], [x], [lib.ones(2, dtype=lib.float64), None])


def grad_outputs_too_few(lib: Any) -> Any:
    x = leaf(lib, 1, 2)
    return lib.autograd.grad([x.sum(), x.sum()], [x], [None])


def grad_outputs_wrong_shape(lib: Any) -> Any:
    x = leaf(lib, 1, 2)
    return lib.autograd.grad(x * x, x, lib.ones(3, dtype=lib.float64))


def grad_of_a_vector_without_seed(lib: Any) -> Any:
    x = leaf(lib, 1, 2)
    return lib.autograd.grad(x * x, x)


def one_element_is_enough(lib: Any) -> Any:
    x = leaf(lib, 2)
    return lib.autograd.grad((x * x).reshape(1, 1), x)


def unused(lib: Any, **options: Any) -> Any:
    x, y = leaf(lib, 1), leaf(lib, 2)
    return lib.autograd.grad(x * 2, [y, x], **options)


def input_in_the_middle_and_above_it(lib: Any) -> Any:
    x = leaf(lib, 2)
    y = x * 3
    z = y * y
    w = z + y
    return lib.autograd.grad(w, [x, y, z, w])


def repeated_inputs(lib: Any) -> Any:
    x = leaf(lib, 1, 2)
    return lib.autograd.grad((x * x).sum(), [x, x])


def repeated_outputs(lib: Any) -> Any:
    x = leaf(lib, 1, 2)
    y = (x * x).sum()
    return lib.autograd.grad([y, y], x)


def output_is_input(lib: Any) -> Any:
    x = leaf(lib, 3)
    y = x * 2
    return [lib.autograd.grad(x, x), lib.autograd.grad([y, x], [x, y])]


def outputs_that_share_a_graph(lib: Any) -> Any:
    x = leaf(lib, 1, 2)
    y = x.exp()
    lib.autograd.backward([(y * 2).sum(), (y * x).sum(), y.sum()])
    return x.grad


def outputs_without_gradient(lib: Any) -> Any:
    x = leaf(lib, 1)
    return lib.autograd.grad([x * 2, lib.ones(1)], x)


def input_without_gradient(lib: Any) -> Any:
    x = leaf(lib, 1)
    return lib.autograd.grad(x * 2, [x, lib.ones(1)], allow_unused=True)


def no_inputs(lib: Any) -> Any:
    return lib.autograd.grad(leaf(lib, 1) * 2, [])


def detached(lib: Any) -> Any:
    x = leaf(lib, 3)
    return lib.autograd.grad(x * x.detach(), x)


def under_no_grad(lib: Any) -> Any:
    x = leaf(lib, 3)
    y = x * x
    with lib.no_grad():
        return lib.autograd.grad(y, x, create_graph=True)


def recorded_in_no_grad(lib: Any) -> Any:
    x = leaf(lib, 3)
    with lib.no_grad():
        y = x * x
    return lib.autograd.grad(y, x)


def second_time(lib: Any, retain: bool) -> Any:
    x = leaf(lib, 3)
    y = x * x
    y.backward(retain_graph=retain)
    y.backward()
    return x.grad


def retain_only_part(lib: Any) -> Any:
    """The shared part is freed, so another output above it cannot go back."""
    x = leaf(lib, 3)
    y = x.exp()
    (y * 1).backward()
    (y * 2).backward()
    return x.grad


def freed_elsewhere(lib: Any) -> Any:
    """What one backward pass frees does not hurt another path."""
    x = leaf(lib, 3)
    y, z = x.exp(), x.tanh()
    y.backward()
    z.backward()
    return x.grad


def backward_inputs(lib: Any) -> Any:
    x, w = leaf(lib, 3), leaf(lib, 4)
    y = x * w
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (y * y).backward(inputs=[y, w])
        return [x.grad, w.grad, y.grad]


def backward_inputs_empty(lib: Any) -> Any:
    x = leaf(lib, 3)
    (x * x).backward(inputs=[])


def backward_of_a_leaf(lib: Any) -> Any:
    x = leaf(lib, 3)
    x.backward()
    x.backward(lib.tensor(2.0, dtype=lib.float64))
    return x.grad


def backward_accumulates_recorded_gradients(lib: Any) -> Any:
    x = leaf(lib, 3)
    (x**3).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    total = x.grad
    x.grad = None
    total.backward()
    return [total, x.grad]


def backward_onto_a_recorded_gradient(lib: Any) -> Any:
    x = leaf(lib, 3)
    (x**3).backward(create_graph=True)
    (x**2).backward()
    return x.grad


def seed_that_requires_grad(lib: Any) -> Any:
    x, v = leaf(lib, 1, 2), leaf(lib, 3, 4)
    (g,) = lib.autograd.grad(x * x, x, v, create_graph=True)
    return [g, *lib.autograd.grad(g.sum(), [v, x])]


def seed_of_another_dtype(lib: Any) -> Any:
    x = leaf(lib, 1, 2)
    (g,) = lib.autograd.grad(x * x, x, lib.ones(2, dtype=lib.float32))
    return [g, str(g.dtype).split(".")[-1]]


def batched(lib: Any) -> Any:
    x = leaf(lib, 1, 2)
    y = x * x
    if lib is am:
        with pytest.raises(NotImplementedError):
            am.autograd.grad(y, x, is_grads_batched=True)
    return lib.autograd.grad(y.sum(), x, None, None, False, True, True)


# Hooks


def hooks_in_order(lib: Any) -> Any:
    x, seen = leaf(lib, 3), []
    y = x * 2
    y.register_hook(lambda g: seen.append(("first", g.item())))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(("third", g.item())))
    y.retain_grad()
    y.register_hook(lambda g: g + 1)
    (y * y).backward()
    return [seen, y.grad, x.grad]


def hook_on_a_leaf(lib: Any) -> Any:
    x, seen = leaf(lib, 3), []
    x.register_hook(lambda g: seen.append(g.item()))
    x.register_hook(lambda g: g * 2)
    (x * x + x).backward()
    (x * x).backward()
    return [seen, x.grad]


def hook_removed(lib: Any) -> Any:
    x = leaf(lib, 3)
    handle = x.register_hook(lambda g: g * 2)
    (x * x).backward()
    handle.remove()
    handle.remove()
    (x * x).backward()
    return x.grad


def hook_in_grad(lib: Any) -> Any:
    x = leaf(lib, 3)
    y = x * 2
    y.register_hook(lambda g: g * 5)
    x.register_hook(lambda g: g * 7)
    # (Both at once: PyTorch returns y's gradient from before the hook then, and from after it otherwise.)
    return [lib.autograd.grad(y * y, x, retain_graph=True), lib.autograd.grad(y * y, y, retain_graph=True)]


def hook_not_reached(lib: Any) -> Any:
    x, w, seen = leaf(lib, 3), leaf(lib, 1), []
    y = w * 2
    y.register_hook(lambda g: seen.append(1))
    lib.autograd.grad(x * y, x)
    return seen


def hook_under_create_graph(lib: Any) -> Any:
    x = leaf(lib, 3)
    y = x * x
    y.register_hook(lambda g: g * x)
    (g,) = lib.autograd.grad(y, x, create_graph=True)
    return [g, *lib.autograd.grad(g, x)]


def hook_sees_grad_mode(lib: Any) -> Any:
    x, seen = leaf(lib, 3), []
    y = x * x
    y.register_hook(lambda g: seen.append(lib.is_grad_enabled()))
    y.backward(retain_graph=True)
    y.backward(create_graph=True)
    return seen


def hook_returns_wrong_shape(lib: Any) -> Any:
    x = leaf(lib, 3, 4)
    x.register_hook(lambda g: g.sum())
    (x * x).sum().backward()


def hook_returns_no_tensor(lib: Any) -> Any:
    x = leaf(lib, 3)
    x.register_hook(lambda g: 3.0)
    (x * x).backward()


def hook_without_gradient(lib: Any) -> Any:
    lib.ones(1).register_hook(lambda g: g)


def hook_in_the_middle_is_called_once(lib: Any) -> Any:
    x, seen = leaf(lib, 3), []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.item()))
    (y * 2 + y * y + y).backward()
    return seen


def retained(lib: Any) -> Any:
    x = leaf(lib, 3)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    z = y * y
    z.backward(retain_graph=True)
    z.backward()
    x.retain_grad()
    return [y.grad, y.retains_grad, x.retains_grad, x.grad]


def retain_grad_without_gradient(lib: Any) -> Any:
    lib.ones(1).retain_grad()


def post_accumulate(lib: Any) -> Any:
    x, w, seen = leaf(lib, 3), leaf(lib, 4), []

    def step(p: Any) -> None:
        seen.append(p is x)
        with lib.no_grad():
            p -= 0.1 * p.grad
        p.grad = None

    handle = x.register_post_accumulate_grad_hook(step)
    (x * w).backward()
    handle.remove()
    (x * w).backward()
    return [seen, x, w.grad, x.grad]


def post_accumulate_not_on_results(lib: Any) -> Any:
    (leaf(lib, 3) * 2).register_post_accumulate_grad_hook(lambda p: None)


def post_accumulate_not_in_grad(lib: Any) -> Any:
    x, seen = leaf(lib, 3), []
    x.register_post_accumulate_grad_hook(lambda p: seen.append(1))
    return [lib.autograd.grad(x * x, x), seen, x.grad]


# Modes


def decorators(lib: Any) -> Any:
    x = leaf(lib, 3)

    @lib.no_grad()
    def one(x: Any) -> Any:
        return x * x

    @lib.no_grad
    def two(x: Any) -> Any:
        return x * x

    @lib.inference_mode()
    def three(x: Any) -> Any:
        return x * x

    @lib.inference_mode(False)
    def four(x: Any) -> Any:
        return x * x

    @lib.set_grad_enabled(False)
    def five(x: Any) -> Any:
        return x * x

    @lib.enable_grad()
    def six(x: Any) -> Any:
        return x * x

    found = [f(x).requires_grad for f in (one, two, three, four, five, six)]
    with lib.no_grad():
        found += [six(x).requires_grad, four(x).requires_grad]
    with lib.inference_mode():
        found.append((x * x).requires_grad)
    return [*found, lib.is_grad_enabled()]


PROGRAMS = [f for f in list(globals().values()) if list(getattr(f, "__annotations__", ())) == ["lib", "return"]]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_like_pytorch(program: Any) -> None:
    ours, theirs = (outcome(program, lib) for lib in LIBRARIES)
    assert ours == theirs


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"allow_unused": True},
        {"allow_unused": False},
        {"materialize_grads": True},
        {"materialize_grads": True, "allow_unused": True},
        {"materialize_grads": True, "allow_unused": False},
        {"allow_unused": True, "create_graph": True},
    ],
)
def test_unused_inputs_like_pytorch(options: Any) -> None:
    ours, theirs = (outcome(lambda lib: unused(lib, **options), lib) for lib in LIBRARIES)
    assert ours == theirs


@pytest.mark.parametrize("retain", [True, False])
def test_second_time_like_pytorch(retain: bool) -> None:
    ours, theirs = (outcome(lambda lib: second_time(lib, retain), lib) for lib in LIBRARIES)
    assert ours == theirs


@given(st.data())
def test_random_graphs_like_pytorch(data: Any) -> None:
    """Random programs, outputs, inputs (leaves, results, repeated, unused) and seeds; one backward after another."""
    leaves = data.draw(st.integers(1, 3))
    steps = data.draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 9)), max_size=10))
    count = leaves + len(steps)
    picks = st.lists(st.integers(0, count - 1), min_size=1, max_size=3)
    outputs, inputs, hooked, retained_ = (data.draw(picks) for _ in range(4))
    create_graph, use_grad = data.draw(st.booleans()), data.draw(st.booleans())

    if use_grad:  # see hook_in_grad
        hooked = [i for i in hooked if i not in inputs]

    def run(lib: Any) -> Any:
        values = [leaf(lib, 0.5 + i, -1.0) for i in range(leaves)]
        for kind, i, j in steps:
            x, y = values[i % len(values)], values[j % len(values)]
            values.append([x + y, x * y, x.tanh(), (x * y).sum() - y, x.detach() * y][kind])
        for i in hooked:
            values[i].register_hook(lambda g: g * 0.5)
        for i in retained_:
            values[i].retain_grad()
        seeds = [lib.ones(2, dtype=lib.float64) * (k + 1) for k in range(len(outputs))]
        roots = [values[i] for i in outputs]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if use_grad:
                wanted = [values[i] for i in inputs]
                found = list(lib.autograd.grad(roots, wanted, seeds, create_graph=create_graph, allow_unused=True))
                live = [g.sum() for g in found if g is not None and g.requires_grad]
                if live:
                    found += lib.autograd.grad(live, values[:leaves], allow_unused=True, retain_graph=True)
            else:
                lib.autograd.backward(roots, seeds, create_graph=create_graph)
                found = [v.grad if i in retained_ or i < leaves else None for i, v in enumerate(values)]
                found += [v.grad for v in values[:leaves]]
        return [None if g is None else g.detach().numpy().tolist() for g in found]

    ours, theirs = run(am), run(torch)
    assert [g is None for g in ours] == [g is None for g in theirs]
    for one, other in zip(ours, theirs, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_are_no_aliases(create_graph: bool, retain: bool) -> None:
    """Neither of each other nor of the seed (in PyTorch some are); retained and accumulated ones neither."""
    x, v = leaf(am, 1, 2), am.ones(2, dtype=am.float64)
    y = x * 2
    if retain:
        y.retain_grad()
    found = list(am.autograd.grad(y, [y, y, x, x], v, create_graph=create_graph, retain_graph=True))
    y.backward(v, create_graph=create_graph, inputs=[y, x])
    arrays = [t.detach().numpy() for t in (*found, x, y, v, x.grad, y.grad)]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


@pytest.mark.parametrize("lib", LIBRARIES)
def test_the_hooks_of_a_leaf_outlast_its_being_frozen(lib: Any) -> None:
    x, seen = leaf(lib, 1, 2), list[str]()
    first = x.register_hook(lambda gradient: seen.append("gradient"))
    x.register_post_accumulate_grad_hook(lambda tensor: seen.append("leaf"))
    x.requires_grad_(False)
    x.requires_grad_(True)
    (x * 2).sum().backward()
    assert seen == ["gradient", "leaf"]
    x.requires_grad = False
    first.remove()
    x.requires_grad = True
    (x * 2).sum().backward()
    assert seen == ["gradient", "leaf", "leaf"]
