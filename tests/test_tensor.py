"""`Tensor` as users hold it: NumPy's protocols, Python's protocols, conversions, copies."""

from __future__ import annotations

import copy
import gc
import operator
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am


def leaf(*values: float) -> am.Tensor:
    return am.tensor(list(values), dtype=am.float64, requires_grad=True)


# ---------------------------------------------------------------------------------------- NumPy's protocols


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (np.exp, np.exp),
        (np.log, lambda x: 1 / x),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
        (np.negative, lambda x: -np.ones_like(x)),
        (lambda t: np.multiply(t, 3.0), lambda x: np.full_like(x, 3)),
        (lambda t: np.multiply(np.array([2.0, 3.0]), t), lambda x: np.array([2.0, 3.0])),
        (lambda t: np.power(t, 3), lambda x: 3 * x**2),
        (lambda t: np.maximum(t, 1.0), lambda x: (x > 1) * 1.0),
        (lambda t: np.where(np.array([True, False]), t, 0.0), lambda x: np.array([1.0, 0.0])),
        (lambda t: np.sum(t, axis=0), np.ones_like),
        (lambda t: np.sum(t), np.ones_like),
        (lambda t: np.mean(t, keepdims=True), lambda x: np.full_like(x, 0.5)),
        (lambda t: np.max(t), lambda x: (x == x.max()) * 1.0),
        (lambda t: np.min(t, axis=-1), lambda x: (x == x.min()) * 1.0),
        (lambda t: np.reshape(t, (2, 1)), np.ones_like),
        (lambda t: np.transpose(t), np.ones_like),
        (lambda t: np.expand_dims(t, 0), np.ones_like),
        (lambda t: np.squeeze(np.expand_dims(t, 0)), np.ones_like),
        (lambda t: np.broadcast_to(t, (3, 2)), lambda x: np.full_like(x, 3)),
        (lambda t: np.concatenate([t, t]), lambda x: np.full_like(x, 2)),
        (lambda t: np.stack([t, np.ones(2)]), np.ones_like),
        (lambda t: np.matmul(t, np.array([1.0, 10.0])), lambda x: np.array([1.0, 10.0])),
        (lambda t: np.clip(t, 0.6, 9.0), lambda x: (x > 0.6) * 1.0),
        (lambda t: np.abs(t), np.sign),
        (lambda t: np.add.reduce(t), np.ones_like),
        (lambda t: np.maximum.reduce(t), lambda x: (x == x.max()) * 1.0),
    ],
)
def test_numpy_functions_are_recorded(function: Any, derivative: Any) -> None:
    x = np.array([0.5, 1.5])
    t = am.tensor(x, requires_grad=True)
    result = function(t)
    assert isinstance(result, am.Tensor) and result.requires_grad
    np.testing.assert_allclose(result.detach().numpy(), function(x))
    result.sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), derivative(x))


@pytest.mark.parametrize("symbol", ["add", "sub", "mul", "truediv", "pow", "matmul"])
@pytest.mark.parametrize("reverse", [False, True])
def test_operators_with_arrays_on_either_side(symbol: str, reverse: bool) -> None:
    function = getattr(operator, symbol)
    x, array = np.array([[0.5, 1.5], [2.0, 3.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    t = am.tensor(x, requires_grad=True)
    result, expected = (function(array, v) if reverse else function(v, array) for v in (t, x))
    assert isinstance(result, am.Tensor) and result.requires_grad
    np.testing.assert_allclose(result.detach().numpy(), expected)


@pytest.mark.parametrize("symbol", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_comparisons_with_arrays_on_either_side(symbol: str) -> None:
    function, array = getattr(operator, symbol), np.array([1.0, 2.0])
    for result, expected in [
        (function(am.tensor([1.0, 3.0]), array), function(np.array([1.0, 3.0]), array)),
        (function(array, am.tensor([1.0, 3.0])), function(array, np.array([1.0, 3.0]))),
    ]:
        assert isinstance(result, am.Tensor)
        np.testing.assert_array_equal(result.numpy(), expected)


def test_reduce_sums_the_first_axis_as_numpy_does() -> None:
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(np.add.reduce(am.tensor(x)).numpy(), np.add.reduce(x))
    np.testing.assert_array_equal(np.add.reduce(am.tensor(x), axis=1).numpy(), np.add.reduce(x, axis=1))
    np.testing.assert_array_equal(np.add.reduce(am.tensor(x), axis=None).numpy(), 15.0)


def test_out_takes_a_tensor_and_keeps_history() -> None:
    x, out = leaf(1.0, 2.0), am.zeros(2, dtype=am.float64)
    result = np.multiply(x, 3.0, out=out)
    assert result is out and out.requires_grad
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3, 3])


def test_out_array_cannot_carry_a_gradient() -> None:
    array = np.zeros(2)
    with pytest.raises(RuntimeError, match="requires grad"):
        np.multiply(leaf(1.0, 2.0), 3.0, out=array)
    np.testing.assert_array_equal(array, [0, 0])
    np.multiply(am.tensor(np.array([1.0, 2.0])), 3.0, out=array)
    np.testing.assert_array_equal(array, [3, 6])


def test_array_cannot_swallow_a_tensor_in_place() -> None:
    array = np.ones(2)
    with pytest.raises((RuntimeError, TypeError)):
        array += leaf(1.0, 2.0)
    np.testing.assert_array_equal(array, [1, 1])


@pytest.mark.parametrize(
    "refused",
    [
        lambda t: np.add(t, 1.0, where=np.array([True, False])),
        lambda t: np.add.accumulate(t),
        lambda t: np.add.outer(t, t),
        lambda t: np.add.at(t, [0], 1.0),
        lambda t: np.multiply.reduceat(t, [0]),
        lambda t: np.spacing(t),
        lambda t: np.fft.fft(t),
        lambda t: np.linalg.eigvals(t),
        lambda t: np.interp(t, t, t),
    ],
)
def test_what_is_not_recorded_is_refused_with_a_sentence(refused: Any) -> None:
    with pytest.raises(TypeError, match=r"np\.\w+.*(not supported|not recorded)"):
        refused(leaf(1.0, 2.0))


def test_unrecorded_functions_of_plain_tensors_work_on_their_values() -> None:
    t = am.tensor(np.array([3.0, 1.0]))
    assert np.allclose(t, [3.0, 1.0])
    np.testing.assert_array_equal(np.sort(t), [1, 3])
    assert np.shape(t) == (2,) and np.ndim(t) == 1 and np.size(t) == 2


def test_conversion_to_an_array() -> None:
    t = am.tensor([1.0, 2.0])
    assert np.asarray(t).dtype == np.float32 and np.shares_memory(np.asarray(t), t.numpy())
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(t), t.numpy())
    with pytest.raises(ValueError, match="copy"):
        np.asarray(t, dtype=np.float64, copy=False)
    for convert in (np.asarray, np.array, lambda x: np.asarray(x, dtype=float)):
        with pytest.raises(RuntimeError, match=r"detach\(\)"):
            convert(leaf(1.0))
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        leaf(1.0).numpy()


def test_numpy_shares_memory_and_scalars_do_too() -> None:
    t = am.tensor([1.0, 2.0])
    t.numpy()[0] = 9.0
    assert t.tolist() == [9.0, 2.0]
    total = am.tensor([1.0, 2.0]).sum()
    assert total.numpy().shape == () and isinstance(total.numpy(), np.ndarray)
    total.numpy()[...] = 7.0
    assert total.item() == 7.0


def test_detach_shares_memory_and_cuts_history() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    d = y.detach()
    assert not d.requires_grad and d.is_leaf and np.shares_memory(d.numpy(), y._array)
    s = y.sum()
    s.detach().fill_(5.0)
    assert s.item() == 5.0


# ---------------------------------------------------------------------------------------- Python's protocols


def test_length_iteration_truth_and_membership() -> None:
    t = am.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2 and [row.tolist() for row in t] == [[1, 2], [3, 4]]
    assert 3.0 in t and 9.0 not in t
    assert bool(am.tensor(1.0)) and not am.tensor([0])
    assert not am.tensor([]).numel()


def test_iteration_is_recorded() -> None:
    x = leaf(1.0, 2.0, 3.0)
    a, b, c = x
    (a * b * c).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [6, 3, 2])


def test_numbers() -> None:
    assert float(am.tensor(1.5)) == 1.5 and int(am.tensor(2.7)) == 2
    assert float(leaf(2.0)[0]) == 2.0
    assert [10, 20, 30][am.tensor(1)] == 20
    with pytest.raises(TypeError, match="integer tensors"):
        [1][am.tensor(0.0)]
    assert f"{am.tensor(1.23456):.2f}" == "1.23" and f"{am.tensor([1.0])}" == "tensor([1.])"


def test_hash_is_identity() -> None:
    a, b = am.tensor(1.0), am.tensor(1.0)
    assert len({a, b}) == 2 and a in {a}


def test_equality_with_none_is_false() -> None:
    t = am.tensor([1.0])
    assert (t == None) is False and (t != None) is True  # noqa: E711


@pytest.mark.parametrize("dtype", [am.float16, am.float32, am.float64, am.int64, am.uint8, am.bool])
def test_pickle_keeps_values_dtype_and_flag(dtype: Any) -> None:
    t = am.ones(2, 3, dtype=dtype)
    back = pickle.loads(pickle.dumps(t))  # noqa: S301
    assert back.dtype == dtype and back.tolist() == t.tolist() and not back.requires_grad
    if np.dtype(dtype).kind == "f":
        assert pickle.loads(pickle.dumps(t.requires_grad_())).requires_grad  # noqa: S301


def test_pickle_does_not_carry_the_memory_of_a_view() -> None:
    big = am.zeros(100_000)
    assert len(pickle.dumps(big[:3])) < 2000


def test_deepcopy() -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    assert y is not x and y.requires_grad and y.is_leaf
    np.testing.assert_array_equal(y.grad.numpy(), [2, 4])
    assert not np.shares_memory(y._array, x._array) and not np.shares_memory(y.grad.numpy(), x.grad.numpy())
    with pytest.raises(RuntimeError, match="created explicitly"):
        copy.deepcopy(x * 2)
    both = copy.deepcopy([x, x])
    assert both[0] is both[1]


# ----------------------------------------------------------------------------------------------- conversions


def test_dtype_conversions_keep_history() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    for converted, dtype in [(x.double(), am.float64), (x.half(), am.float16), (x.to(am.float64), am.float64)]:
        assert converted.dtype == dtype and converted.requires_grad
    assert x.float() is x and x.to(am.float32) is x and x.to("cpu") is x
    assert x.to(am.float32, copy=True) is not x
    assert x.long().dtype == am.int64 and not x.long().requires_grad
    assert am.tensor([0.0, 2.0]).bool().tolist() == [False, True]
    assert x.to(am.ones(1, dtype=am.float64)).dtype == am.float64
    with pytest.raises(RuntimeError, match="not available"):
        x.to("cuda")


def test_attributes() -> None:
    x = am.zeros(2, 3, dtype=am.float64)
    assert (x.shape, x.ndim, x.dim(), x.numel(), x.nbytes) == ((2, 3), 2, 2, 6, 48)
    assert (x.size(), x.size(0), x.size(-1), x.dtype) == ((2, 3), 2, 3, am.float64)
    assert x.is_floating_point() and not am.tensor([1]).is_floating_point()
    assert x.T.shape == (3, 2) and am.zeros(2, 3, 4).mT.shape == (2, 4, 3)


def test_contiguous() -> None:
    x = am.zeros(2, 3)
    assert x.contiguous() is x and x.is_contiguous()
    assert not x.t().is_contiguous() and x.t().contiguous().is_contiguous()


def test_data_replaces_values_outside_of_the_graph() -> None:
    x = leaf(1.0, 2.0)
    x.data = am.tensor(np.array([5.0, 6.0]))
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [10, 12])
    x.data[0] = 7.0
    assert x.tolist() == [7, 6] and x.requires_grad


# --------------------------------------------------------------------------------------------- indexing


def test_views_share_memory_and_arrays_do_not() -> None:
    x = am.tensor([[1.0, 2.0], [3.0, 4.0]])
    x[0][1] = 9.0
    assert x.tolist() == [[1, 9], [3, 4]]
    picked = x[[0]]
    picked[0, 0] = 7.0
    assert x.tolist() == [[1, 9], [3, 4]]


def test_repeated_index_adds_its_gradients() -> None:
    x = leaf(1.0, 2.0, 3.0)
    (x[[0, 0, 2]] * am.tensor(np.array([1.0, 10.0, 100.0]))).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [11, 0, 100])


@pytest.mark.parametrize(
    "index",
    [
        am.tensor([0, 2]),
        am.tensor([True, False, True]),
        [0, 2],
        range(0, 3, 2),
        np.array([0, 2]),
        slice(am.tensor(0), 3, am.tensor(2)),
    ],
)
def test_indices_of_many_kinds(index: Any) -> None:
    assert am.tensor([1.0, 2.0, 3.0])[index].tolist() == [1, 3]


def test_tensors_in_a_tuple_of_indices() -> None:
    x = am.arange(12).reshape(3, 4)
    assert x[am.tensor([0, 2]), am.tensor([1, 3])].tolist() == [1, 11]
    assert x[am.tensor(1), 1:3].tolist() == [5, 6]
    assert x[..., am.tensor([0])].shape == (3, 1)
    assert x[x > 9].tolist() == [10, 11]


def test_assignment_of_many_kinds() -> None:
    x = am.zeros(2, 3)
    x[0] = 1
    x[1, 1:] = am.tensor([2.0, 3.0])
    x[x == 0] = -1.0
    assert x.tolist() == [[1, 1, 1], [-1, 2, 3]]
    x[:] = [4, 5, 6]
    assert x.tolist() == [[4, 5, 6], [4, 5, 6]]


# ------------------------------------------------------------------------------------------- in-place methods


@pytest.mark.parametrize(
    ("method", "args", "expected"),
    [
        ("add_", (1,), [2, 3]),
        ("sub_", (1,), [0, 1]),
        ("mul_", (3,), [3, 6]),
        ("div_", (2,), [0.5, 1]),
        ("pow_", (2,), [1, 4]),
        ("neg_", (), [-1, -2]),
        ("clamp_", (0, 1.5), [1, 1.5]),
        ("fill_", (7,), [7, 7]),
        ("zero_", (), [0, 0]),
        ("copy_", ([8.0, 9.0],), [8, 9]),
        ("sqrt_", (), [1, 2**0.5]),
    ],
)
def test_in_place_methods(method: str, args: Any, expected: list[float]) -> None:
    x = am.tensor(np.array([1.0, 2.0]))
    array = x.numpy()
    assert getattr(x, method)(*args) is x
    np.testing.assert_allclose(array, expected)


def test_in_place_operators_write_into_the_array() -> None:
    x = am.tensor(np.array([1.0, 2.0]))
    array, first = x.numpy(), x
    x += 1
    x *= 2
    x -= 1
    x /= 3
    x **= 2
    assert x is first
    np.testing.assert_allclose(array, [1, (5 / 3) ** 2])


def test_add_with_alpha() -> None:
    x = am.tensor([1.0, 2.0])
    assert x.add_(am.tensor([1.0, 1.0]), alpha=10).tolist() == [11, 12]
    assert x.sub_(1, alpha=2).tolist() == [9, 10]


def test_in_place_on_0d() -> None:
    total = am.tensor([1.0, 2.0]).sum()
    same = total
    total += 1
    assert total is same and total.item() == 4.0 and total.dtype == am.float32


def test_tensor_of_nothing_of_sizes_and_of_values() -> None:
    assert am.Tensor().shape == (0,) and am.Tensor(2, 3).shape == (2, 3) and am.Tensor([2, 3]).tolist() == [2, 3]
    assert am.Tensor([1]).dtype == am.float32


def test_only_elementwise_operations_have_in_place_twins() -> None:
    assert hasattr(am.Tensor, "exp_") and hasattr(am.Tensor, "clamp_")
    assert not any(hasattr(am.Tensor, name) for name in ("sum_", "matmul_", "softmax_", "reshape_"))


def test_there_is_no_cuda() -> None:
    assert am.ones(1).is_cuda is False
    for move in (am.ones(1).cuda, am.nn.Linear(1, 1).cuda):
        with pytest.raises(RuntimeError, match="device cuda is not available: CuPy"):
            move()


def test_writing_where_nothing_can_be_written() -> None:
    """A broadcast shows one element several times: PyTorch's reason, not NumPy's."""
    wide = am.zeros(2, 1).expand(2, 3)
    for write in (lambda: wide.add_(1), lambda: wide.__setitem__(0, 1.0), wide.zero_):
        with pytest.raises(RuntimeError, match="Please clone"):
            write()
    assert wide.clone().add_(1).tolist() == [[1.0] * 3] * 2


def test_an_element_is_a_view_as_well() -> None:
    y, z, w = am.ones(2), am.ones(2, 3), am.tensor(1.0)
    y[0].mul_(5)
    z[0, 0].fill_(4)
    for element in z[1]:
        element.zero_()
    w.view(1).zero_()
    assert y.tolist() == [5, 1] and z.tolist() == [[4, 1, 1], [0, 0, 0]] and w.item() == 0


def test_data_of_a_tensor_that_requires_grad_stay_floats() -> None:
    x = am.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"data of int64 \(2,\) assigned to float32 \(2,\) in a graph"):
        x.data = am.tensor([1, 2])
    x.data = am.tensor([1.0, 2.0], dtype=am.float64)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4] and x.grad.dtype == am.float64


def test_writing_into_a_view_writes_the_history_of_its_tensor() -> None:
    """Elements, slices and views of views, of a tensor with and without a history; the second derivative too."""
    w = am.tensor([1.0, 2.0, 3.0], requires_grad=True)
    z = am.zeros(2, 3)
    for i in range(3):
        z[0][i] += w[i] * 3
    z[1, 1:] += w[1:]
    z[1].mul_(w)
    view = z[0]
    view *= w[0]
    assert z.tolist() == [[3, 6, 9], [0, 4, 9]] and view.tolist() == [3, 6, 9]
    (g,) = am.autograd.grad((z * z).sum(), w, create_graph=True)  # z0 = 3 w w0, z1 = (0, w1², w2²)
    assert g.tolist() == pytest.approx([36 + 18 * 13, 36 + 32, 54 + 108])
    (again,) = am.autograd.grad(g[1], w)
    assert again.tolist() == pytest.approx([72, 18 + 48, 0])
    y = w * 2
    part = y[:2]
    part.add_(w[2])
    part[0].zero_()
    (y * y).sum().backward()
    assert y.tolist() == [0, 7, 6] and w.grad.tolist() == [0, 28, 14 + 24]


LOOKS: dict[str, Callable[[Any], Any]] = {
    "x.T": lambda x: x.T,
    "x.T[1]": lambda x: x.T[1],
    "view": lambda x: x.view(3, 2)[1:],
    "reshape": lambda x: x.reshape(-1)[::2],
    "a reshape of what is not contiguous": lambda x: x.T.reshape(3, 2, 1),
    "transpose": lambda x: x.transpose(0, 1).unsqueeze(1),
    "permute": lambda x: x.view(1, 2, 3).permute(2, 0, 1)[2],
    "squeeze": lambda x: x[:1].squeeze(0),
    "diagonal": lambda x: x.diagonal(),
    "narrow, select": lambda x: x.narrow(1, 1, 2).select(0, 1),
    "an element": lambda x: x.flatten()[4],
    "unflatten": lambda x: x.unflatten(1, (3, 1)).mT,
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("history", [True, False])
def test_a_change_of_any_view_is_part_of_the_history_of_all_that_share_it(look: str, history: bool) -> None:
    """As in PyTorch: of the tensor, of the view, and of views taken before; values, first and second derivatives."""
    torch = pytest.importorskip("torch")

    def run(lib: Any) -> list[Any]:
        w = lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=lib.float64, requires_grad=True)
        x = w * 2 if history else lib.zeros(2, 3, dtype=lib.float64) + 1.5
        before, view = x[:, 1:], LOOKS[look](x)
        view.mul_(w[1, 1])
        view += LOOKS[look](w * w)
        view[...] = view.clone() * w[0, 2]
        x.mul_(w)
        y = [x, view, before, x.view(-1)[2:]]
        total = sum((part.sin() * k).sum() for k, part in enumerate(y, 1))
        (first,) = lib.autograd.grad(total, w, create_graph=True)
        (second,) = lib.autograd.grad((first * first).sum(), w)
        return [each.detach().numpy() for each in [*y, total, first, second]]

    for ours, theirs in zip(run(am), run(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cut", [lambda x: x.split(2)[1], lambda x: x.chunk(2)[1], lambda x: x.unbind()[-1]])
def test_parts_of_a_tensor_can_be_changed_in_the_graph(cut: Callable[[Any], Any]) -> None:
    """PyTorch refuses to write into one of several views that were made at once."""
    w = am.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    x, y = w * 1, w * 1
    cut(x).mul_(w[0] * 5)
    y[-cut(y).numel() :] *= w[0] * 5
    assert x.tolist() == y.tolist() != w.tolist()
    (x * x).sum().backward()
    first, w.grad = w.grad, None
    (y * y).sum().backward()
    assert w.grad.tolist() == first.tolist() and first[0] > 100


def test_views_whose_tensor_was_given_other_data_stay_what_they_were() -> None:
    w, x = am.ones(2, requires_grad=True), am.zeros(2, 2)
    left, right = x[0], x[1]
    left.data = am.full((2,), 7.0)
    x[:] = w
    assert left.tolist() == [7, 7] and not left.requires_grad and right.requires_grad and right.tolist() == [1, 1]
    left.mul_(w)
    assert x.tolist() == [[1, 1], [1, 1]] and left.requires_grad
    x.data = am.zeros(2, 2)
    right.mul_(w * 3)
    assert right.tolist() == [3, 3] and x.tolist() == [[0, 0], [0, 0]]


def test_a_tensor_and_its_views_leave_no_cycle() -> None:
    x = am.zeros(3)
    kept = weakref.ref(x)
    views = [x[i] for i in range(3)] + [x.view(3, 1)]
    views[0].copy_(am.ones(1, requires_grad=True)[0])
    gc.disable()
    try:
        del x, views
        assert kept() is None
    finally:
        gc.enable()


def test_a_view_made_without_history_does_not_hold_the_graph() -> None:
    y = am.ones(3, requires_grad=True) * 2
    node = weakref.ref(y._node)
    with am.no_grad():
        first = y[0]
    del y
    assert node() is None and first.item() == 2.0
