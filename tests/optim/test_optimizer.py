"""The base of the optimizers: groups, checks, saved state, and the walk through memory."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini import optim
from autograd_mini.optim import optimizer as base

FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9, "centered": True}),
    ("RMSprop", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
    ("Adadelta", {"lr": 0.5, "weight_decay": 0.1}),
]


def make(name: str, params: Any, options: dict[str, Any]) -> Any:
    return getattr(optim, name)(params, **options)


def leaf(array: Any) -> am.Tensor:
    tensor = am.from_numpy(np.asarray(array))
    return tensor.requires_grad_()


def run(optimizer: Any, params: list[am.Tensor], steps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in params:
            p.grad = am.from_numpy(rng.standard_normal(p.shape).astype(p.dtype))
        optimizer.step()


# ------------------------------------------------------------------------------------------------- groups and checks


def test_groups_take_defaults_and_override_them() -> None:
    a, b = leaf(np.ones(2)), leaf(np.ones(3))
    sgd = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5}], lr=0.1, momentum=0.9)
    assert [(g["lr"], g["momentum"]) for g in sgd.param_groups] == [(0.1, 0.9), (0.5, 0.9)]
    c = leaf(np.ones(4))
    sgd.add_param_group({"params": [c], "momentum": 0.0})
    assert sgd.param_groups[2]["params"] == [c] and sgd.param_groups[2]["momentum"] == 0.0
    for p in (a, b, c):
        p.grad = am.ones_like(p)
    sgd.step()
    assert (a.tolist()[0], b.tolist()[0], c.tolist()[0]) == (0.9, 0.5, 0.9)


def test_named_parameters_keep_their_names() -> None:
    sgd = optim.SGD([("w", leaf(np.ones(2))), ("b", leaf(np.ones(1)))], lr=0.1)
    assert sgd.state_dict()["param_groups"][0]["param_names"] == ["w", "b"]
    with pytest.raises(ValueError, match="with/without names"):
        sgd.add_param_group({"params": leaf(np.ones(1))})
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("w", leaf(np.ones(2))), leaf(np.ones(1))])  # type: ignore[list-item]


def test_bad_parameters() -> None:
    w = leaf(np.ones(2))
    with pytest.raises(TypeError, match="iterable of Tensors or dicts, but got a Tensor"):
        optim.SGD(w)
    with pytest.raises(ValueError, match="optimizer got an empty parameter list"):
        optim.SGD([])
    with pytest.raises(TypeError, match="one of the params is int"):
        optim.SGD([1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="ordered collections"):
        optim.SGD([{"params": {w}}])
    with pytest.raises(ValueError, match="can't optimize a non-leaf Tensor"):
        optim.SGD([w * 2])
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": w}, {"params": w}])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([w, w])
    with pytest.raises(TypeError, match="param_group must be a dict"):
        optim.SGD([w]).add_param_group([w])  # type: ignore[arg-type]


def test_required_option_must_be_given() -> None:
    class Plain(optim.Optimizer):
        def _update(self, param: am.Tensor, group: dict[str, Any]) -> None:
            param._array -= group["lr"] * param.grad._array  # type: ignore[union-attr]

    w = leaf(np.ones(2))
    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        Plain([w], {"lr": base.required})
    plain = Plain([{"params": w, "lr": 0.5}], {"lr": base.required})
    w.grad = am.ones_like(w)
    plain.step()
    assert w.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("flag", ["foreach", "fused", "differentiable", "capturable"])
def test_flags_that_would_change_something_are_refused(flag: str) -> None:
    w = leaf(np.ones(2))
    family: Any = optim.Adam
    family([w], **{flag: False})
    with pytest.raises(NotImplementedError, match=f"{flag}=True is not supported"):
        family([w], **{flag: True})
    with pytest.raises(NotImplementedError, match=flag):
        family([{"params": w, flag: True}])


def test_closure_runs_with_gradients_and_its_loss_is_returned() -> None:
    w = leaf(np.array([3.0]))
    sgd = optim.SGD([w], lr=0.25)

    def closure() -> am.Tensor:
        sgd.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss  # type: ignore[no-any-return]

    with am.no_grad():
        assert sgd.step(closure).item() == 9.0
    assert w.item() == 1.5


def test_zero_grad() -> None:
    w = leaf(np.ones(2))
    sgd = optim.SGD([w], lr=1.0)
    (w * w).sum().backward(create_graph=True)
    gradient = w.grad
    sgd.zero_grad(set_to_none=False)  # into the tensor that is there, as PyTorch does
    assert w.grad is gradient and gradient.tolist() == [0.0, 0.0] and not gradient.requires_grad
    (w * 3).sum().backward()
    assert w.grad is gradient and gradient.tolist() == [3.0, 3.0]
    sgd.zero_grad()
    assert w.grad is None
    sgd.step()  # parameters without a gradient are left alone
    assert w.tolist() == [1.0, 1.0]


def test_a_step_between_forward_and_backward_is_noticed() -> None:
    w = leaf(np.ones(2))
    loss = (w * w).sum()
    w.grad = am.ones_like(w)
    optim.SGD([w], lr=1.0).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_repr_lists_the_options() -> None:
    lines = repr(optim.SGD([leaf(np.ones(1))], lr=0.1)).split("\n")
    assert lines[:3] == ["SGD (", "Parameter Group 0", "    dampening: 0"] and lines[-1] == ")"


# ------------------------------------------------------------------------------------------------------- saved state


@pytest.mark.parametrize(("name", "options"), FAMILIES)
def test_a_saved_state_resumes_exactly(name: str, options: dict[str, Any]) -> None:
    def start() -> list[am.Tensor]:
        rng = np.random.default_rng(0)
        return [leaf(np.asfortranarray(rng.standard_normal((3, 4)))), leaf(rng.standard_normal(5))]

    params = start()
    whole = make(name, params, options)
    run(whole, params, 40, seed=1)
    saved = copy.deepcopy(whole.state_dict())
    other = [leaf(p.detach().numpy().copy(order="K")) for p in params]
    run(whole, params, 40, seed=2)

    resumed = make(name, other, {"lr": 7.0})
    resumed.load_state_dict(saved)
    assert resumed.param_groups[0]["lr"] == options["lr"]
    run(resumed, other, 40, seed=2)
    for p, q in zip(params, other, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())
    if whole.state:
        assert all(
            v is not w
            for k, s in resumed.state_dict()["state"].items()
            for v, w in zip(s.values(), saved["state"][k].values(), strict=True)
        )


@pytest.mark.parametrize(("name", "options"), FAMILIES)
def test_loading_copies_and_keeps_the_memory_order(name: str, options: dict[str, Any]) -> None:
    p = leaf(np.asfortranarray(np.ones((3, 4))))
    first = make(name, [p], options)
    run(first, [p], 2, seed=0)
    state = copy.deepcopy(first.state_dict())
    for values in state["state"].values():
        for key, value in values.items():
            if key != "step":
                value._array = np.ascontiguousarray(value._array)
    second = make(name, [p], options)
    second.load_state_dict(state)
    before = copy.deepcopy(state)
    run(second, [p], 2, seed=0)
    for number, values in before["state"].items():
        for key, value in values.items():
            np.testing.assert_array_equal(value.numpy(), state["state"][number][key].numpy())
    for key, value in second.state[p].items():
        assert key == "step" or value._array.flags.f_contiguous


def test_states_that_do_not_fit() -> None:
    sgd = optim.SGD([leaf(np.ones(2))])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        sgd.load_state_dict({"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        sgd.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})
    group = sgd.state_dict()["param_groups"][0]
    with pytest.raises(NotImplementedError, match="fused"):
        sgd.load_state_dict({"state": {}, "param_groups": [{**group, "fused": True}]})


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])  # noqa: S301
def test_copies_go_on_alone(clone: Any) -> None:
    p = leaf(np.ones((2, 3)))
    adam = optim.Adam([p], lr=0.1)
    run(adam, [p], 2, seed=0)
    twin = clone(adam)
    (q,) = twin.param_groups[0]["params"]
    assert q is not p and "_scratches" not in twin.__dict__
    run(adam, [p], 2, seed=1)
    assert not np.array_equal(p.tolist(), q.tolist())
    run(twin, [q], 2, seed=1)
    np.testing.assert_array_equal(p.tolist(), q.tolist())


# ------------------------------------------------------------------------------------------------------------ memory

LAYOUTS = {
    "rows": lambda a: np.ascontiguousarray(a),
    "columns": lambda a: np.asfortranarray(a),
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "middle": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0),
}


@settings(deadline=None, max_examples=60)
@given(
    shape=st.sampled_from([(), (1,), (7,), (0, 3), (3, 4), (5, 1), (2, 3, 4), (1, 64)]),
    layouts=st.tuples(st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(LAYOUTS))),
    family=st.sampled_from(FAMILIES),
    sizes=st.sampled_from([(1, 0), (2, 1), (5, 4), (16, 0), (65536, 0), (65536, 2048)]),
)
def test_any_memory_order_and_block_gives_the_same_numbers(
    shape: tuple[int, ...], layouts: tuple[str, str], family: tuple[str, dict[str, Any]], sizes: tuple[int, int]
) -> None:
    def laid(array: Any, layout: str) -> Any:
        return LAYOUTS[layout](array) if array.ndim else array

    rng = np.random.default_rng(3)
    start, grads = rng.standard_normal(shape), rng.standard_normal((3, *shape))
    results = []
    for how, block, small in ((("rows", "rows"), 65536, 2048), (layouts, *sizes)):
        p = leaf(laid(np.array(start), how[0]))
        memory = p._array
        optimizer = make(family[0], [p], family[1])
        old = base.BLOCK, base.SMALL
        base.BLOCK, base.SMALL = block, small
        try:
            for g in grads:
                p.grad = am.from_numpy(laid(np.array(g), how[1]))
                optimizer.step()
        finally:
            base.BLOCK, base.SMALL = old
        assert p._array is memory
        results.append(np.array(p.detach().numpy()))
    np.testing.assert_array_equal(*results)
    assert start.size == 0 or not np.array_equal(results[0], start)


@pytest.mark.parametrize("layout", ["rows", "columns", "middle"])
def test_contiguous_memory_is_walked_as_it_lies(layout: str) -> None:
    array = LAYOUTS[layout](np.arange(24.0).reshape(2, 3, 4))
    pieces = list(base._pieces([array, array.copy(order="K")]))
    assert [p.shape for p in pieces[0]] == [(24,), (24,)] and np.shares_memory(pieces[0][0], array)


@pytest.mark.parametrize(("name", "options"), FAMILIES)
@pytest.mark.parametrize("same_order", [True, False])
def test_no_temporary_of_a_parameter_s_size(name: str, options: dict[str, Any], same_order: bool) -> None:
    p = leaf(np.ones((1024, 1024), np.float32))
    grad = np.full((1024, 1024), 0.5, np.float32)
    p.grad = am.from_numpy(grad if same_order else np.asfortranarray(grad))
    optimizer = make(name, [p], options)
    for _ in range(base.TIDY_EVERY - 1):  # the next step also looks for numbers that are too small
        optimizer.step()
    tracemalloc.start()
    optimizer.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < p._array.nbytes / 16  # a block's worth of booleans and small change; the parameter has 4 MiB


def test_a_scalar_parameter_from_a_result() -> None:
    w = am.tensor(3.0).requires_grad_()
    w.grad = am.tensor(1.0)
    optim.SGD([w], lr=0.5).step()
    assert w.item() == 2.5


# --------------------------------------------------------------------------------------------------------- denormals


@pytest.mark.parametrize(
    ("name", "options", "averages"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9}, ["momentum_buffer"]),
        ("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.9}, ["square_avg", "momentum_buffer"]),
        ("Adam", {"lr": 0.01, "betas": (0.9, 0.95)}, ["exp_avg", "exp_avg_sq"]),
        ("Adadelta", {}, ["square_avg", "acc_delta"]),
    ],
)
def test_averages_of_what_has_become_zero_never_get_denormal(
    name: str, options: dict[str, Any], averages: list[str]
) -> None:
    tiny = np.finfo(np.float32).tiny
    p = leaf(np.array([1.0, 1.0], np.float32))
    optimizer = make(name, [p], options)
    p.grad = am.from_numpy(np.array([1e-3, 1.0], np.float32))
    optimizer.step()
    p.grad = am.from_numpy(np.zeros(2, np.float32))
    for _ in range(2500):
        optimizer.step()
        for average in averages:
            values = np.abs(optimizer.state[p][average].numpy())
            assert ((values == 0) | (values >= tiny)).all()
    assert all((optimizer.state[p][average].numpy() == 0).all() for average in averages)


def test_tiny_averages_stay_where_they_would_matter() -> None:
    p = leaf(np.array([1.0], np.float32))
    rms = optim.RMSprop([p], lr=1e-3, eps=1e-15)
    p.grad = am.from_numpy(np.array([1e-16], np.float32))
    for _ in range(2 * base.TIDY_EVERY):
        rms.step()
    assert 0 < rms.state[p]["square_avg"].item() < 1e-32


def test_half_precision_is_never_tidied() -> None:
    average = np.array([np.finfo(np.float16).smallest_subnormal])
    base.tidy(average, None)
    assert average.dtype == np.float16 and average[0] > 0


def test_squares_are_tidied_only_where_eps_hides_them() -> None:
    squares = np.array([1e-32, 2e-32], np.float32)
    assert np.sqrt(squares[0]) + np.float32(1e-8) == np.float32(1e-8)
    base.tidy_squares(squares, 1e-12, None)
    assert squares[0] > 0
    base.tidy_squares(squares, 1e-8, None)
    assert squares[0] == 0 and squares[1] > 0


def test_no_warnings_on_a_plain_run() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = leaf(np.zeros(3, np.float32))
        adam = optim.Adam([p])
        run(adam, [p], 3, seed=0)
