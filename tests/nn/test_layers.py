"""Layers, losses and functions on small cases worked out by hand, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am
import autograd_mini.nn.functional as F
from autograd_mini import nn
from autograd_mini.testing import gradcheck


def test_linear_by_hand() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": am.tensor([[3.0, 4.0]]), "bias": am.tensor([5.0])})
    x = am.tensor([[1.0, 2.0], [0.0, -1.0]])
    y = layer(x)
    assert y.tolist() == [[16.0], [1.0]]
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 1.0]] and layer.bias.grad.tolist() == [2.0]
    assert nn.Linear(2, 1, bias=False).bias is None
    assert nn.Linear(2, 3)(am.ones(2)).shape == (3,) and nn.Linear(2, 3)(am.ones(4, 5, 2)).shape == (4, 5, 3)


def test_linear_weight_and_its_gradient_lie_in_the_same_memory_order() -> None:
    layer = nn.Linear(5, 4)
    layer(am.ones(3, 5)).sum().backward()
    assert layer.weight.shape == (4, 5) and layer.weight._array.flags.f_contiguous
    assert layer.weight.grad._array.flags.f_contiguous and layer.weight._array.base is None


def test_linear_dtype_and_device() -> None:
    assert nn.Linear(2, 2, dtype=am.float64).bias.dtype == am.float64
    assert nn.Linear(2, 2, device="cpu").weight.dtype == am.float32
    with pytest.raises(RuntimeError, match="cuda"):
        nn.Linear(2, 2, device="cuda")
    with pytest.raises(RuntimeError, match="in_features must not be negative, but got -1"):
        nn.Linear(-1, 2)


def test_linear_says_which_shapes_do_not_fit() -> None:
    with pytest.raises(RuntimeError, match=r"\(2, 4\).*\(3, 5\)"):
        nn.Linear(5, 3)(am.ones(2, 4))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 4, 3)])
def test_linear_gradients(bias: bool, shape: tuple[int, ...]) -> None:
    x, w, b = (am.randn(*s, dtype=am.float64, requires_grad=True) for s in (shape, (2, 3), (2,)))
    inputs = (x, w, b) if bias else (x, w)
    assert gradcheck(F.linear, inputs)


def test_activations_by_hand() -> None:
    x = am.tensor([-1.0, 0.0, 2.0])
    assert nn.ReLU()(x).tolist() == [0, 0, 2]
    np.testing.assert_allclose(nn.Sigmoid()(x).tolist(), [1 / (1 + math.exp(-v)) for v in (-1, 0, 2)], rtol=1e-6)
    np.testing.assert_allclose(nn.Tanh()(x).tolist(), [math.tanh(v) for v in (-1, 0, 2)], rtol=1e-6)
    total = sum(math.exp(v) for v in (-1, 0, 2))
    np.testing.assert_allclose(nn.Softmax(0)(x).tolist(), [math.exp(v) / total for v in (-1, 0, 2)], rtol=1e-6)
    np.testing.assert_allclose(nn.LogSoftmax(0)(x).exp().sum().item(), 1.0, rtol=1e-6)
    assert F.softmax(x.half(), 0, dtype=am.float64).dtype == am.float64
    with pytest.warns(UserWarning, match="Implicit dimension choice for log_softmax"):
        assert nn.LogSoftmax()(am.zeros(2, 4)).exp()[0, 0].item() == 0.25
    y = am.tensor([-1.0, 1.0])
    assert nn.ReLU(inplace=True)(y) is y and y.tolist() == [0, 1]


def test_shape_layers() -> None:
    assert nn.Flatten()(am.ones(2, 3, 4)).shape == (2, 12) and nn.Flatten(0, 1)(am.ones(2, 3, 4)).shape == (6, 4)
    with pytest.raises(IndexError, match="Dimension out of range"):
        nn.Flatten()(am.ones(3))
    assert nn.Unflatten(1, (2, 3))(am.ones(4, 6)).shape == (4, 2, 3)
    assert nn.Unflatten(-1, (-1, 3))(am.ones(4, 6)).shape == (4, 2, 3)
    for sizes in ((2, 2), (-1, 4), (-2, -3), (-1, -1)):
        with pytest.raises(RuntimeError, match="don't multiply up to the size of dim 1"):
            nn.Unflatten(1, sizes)(am.ones(4, 6))
    with pytest.raises(TypeError, match="unflattened_size must be a tuple of integers, but got 3"):
        nn.Unflatten(1, 3)  # type: ignore[arg-type]


@given(p=st.floats(0.05, 0.95), dtype=st.sampled_from([am.float32, am.float64]))
def test_dropout_keeps_the_mean(p: float, dtype: np.dtype) -> None:  # type: ignore[type-arg]
    am.manual_seed(1)
    x = am.ones(100, 100, dtype=dtype, requires_grad=True)
    y = nn.Dropout(p)(x)
    assert y.dtype == dtype
    values = y.detach().numpy()
    kept = values != 0
    np.testing.assert_allclose(values[kept], 1 / (1 - p), rtol=1e-6)
    assert abs(kept.mean() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / x.numel())
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), values)


def test_dropout_edges() -> None:
    x = am.ones(3)
    assert nn.Dropout(0.0)(x) is x and nn.Dropout(0.5).eval()(x) is x and F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 1.0).tolist() == [0, 0, 0]
    y = am.ones(1000)
    assert F.dropout(y, 0.5, inplace=True) is y and set(y.tolist()) == {0.0, 2.0}
    am.manual_seed(3)
    first = F.dropout(am.ones(50)).tolist()
    am.manual_seed(3)
    assert F.dropout(am.ones(50)).tolist() == first
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
            nn.Dropout(wrong)


def test_cross_entropy_by_hand() -> None:
    scores, target = am.tensor([[0.0, math.log(3.0)], [0.0, 0.0]]), am.tensor([1, 0])
    each = [-math.log(0.75), math.log(2.0)]
    np.testing.assert_allclose(F.cross_entropy(scores, target, reduction="none").tolist(), each, rtol=1e-6)
    np.testing.assert_allclose(F.cross_entropy(scores, target).item(), sum(each) / 2, rtol=1e-6)
    np.testing.assert_allclose(F.cross_entropy(scores, am.tensor([1, -100])).item(), each[0], rtol=1e-6)
    weighted = F.cross_entropy(scores, target, am.tensor([3.0, 1.0])).item()
    np.testing.assert_allclose(weighted, (each[0] + 3 * each[1]) / 4, rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": am.ones(2)}])
def test_if_every_target_is_ignored_the_mean_is_nan_and_the_gradient_zero(options: dict[str, Any]) -> None:
    scores = am.zeros(2, 2, requires_grad=True)
    loss = F.cross_entropy(scores, am.tensor([-100, -100]), **options)
    loss.backward()
    assert math.isnan(loss.item()) and scores.grad.tolist() == [[0, 0], [0, 0]]


def test_masked_scores_do_not_spoil_the_loss() -> None:
    scores = am.tensor([[0.0, -math.inf], [0.0, 0.0]], requires_grad=True)
    loss = F.cross_entropy(scores, am.tensor([0, -100]))
    loss.backward()
    assert loss.item() == 0.0 and scores.grad.tolist() == [[0, 0], [0, 0]]


def test_cross_entropy_of_huge_scores_is_finite() -> None:
    scores = am.tensor([[1e4, -1e4]], requires_grad=True)
    loss = nn.CrossEntropyLoss()(scores, am.tensor([1]))
    loss.backward()
    assert loss.item() == 2e4 and scores.grad.tolist() == [[1.0, -1.0]]


def test_losses_say_what_is_wrong() -> None:
    x, y = am.zeros(3, 5), am.tensor([1, 2, 3])
    with pytest.raises(ValueError, match=r"Expected input batch_size \(3,\) to match target batch_size \(2,\)"):
        F.cross_entropy(x, y[:2])
    for loss in (F.cross_entropy, F.nll_loss):
        with pytest.raises(IndexError, match="Target 5 is out of bounds"):
            loss(x, y + 2)
        with pytest.raises(IndexError, match="Target -1 is out of bounds"):
            loss(x, y - 2)
        with pytest.raises(ValueError, match="q is not a valid value for reduction"):
            loss(x, y, reduction="q")
        with pytest.raises(RuntimeError, match=r"for all 5 classes or no classes but got weight tensor of shape: .3"):
            loss(x, y, am.ones(3))
    with pytest.raises(RuntimeError, match=r"label_smoothing must be between 0.0 and 1.0. Got: 3"):
        F.cross_entropy(x, y, label_smoothing=3.0)
    with pytest.raises(RuntimeError, match="probabilities, of the shape of the scores"):
        F.cross_entropy(x, y.float())
    with pytest.raises(RuntimeError, match="ignore_index is not supported for floating point target"):
        F.cross_entropy(x, x, ignore_index=2)
    with pytest.raises(TypeError, match="integer dtype"):
        F.nll_loss(x, x)
    with pytest.raises(ValueError, match="z is not a valid value for reduction"):
        nn.MSELoss(reduction="z")
    with pytest.warns(UserWarning, match="target size"):
        F.mse_loss(x, x[0])


def test_mse_and_l1_by_hand() -> None:
    x, y = am.tensor([1.0, 2.0], requires_grad=True), am.tensor([3.0, 1.0])
    assert nn.MSELoss()(x, y).item() == 2.5 and nn.MSELoss(reduction="sum")(x, y).item() == 5.0
    assert nn.L1Loss(reduction="none")(x, y).tolist() == [2.0, 1.0]
    nn.MSELoss()(x, y).backward()
    assert x.grad.tolist() == [-2.0, 1.0]


def test_one_hot() -> None:
    assert F.one_hot(am.tensor([[0], [2]])).tolist() == [[[1, 0, 0]], [[0, 0, 1]]]
    assert F.one_hot(am.tensor([1]), 4).shape == (1, 4) and F.one_hot(am.tensor(1)).dtype == am.int64
    for wrong, classes, message in [
        (am.tensor([-1]), -1, "must be non-negative"),
        (am.tensor([4]), 3, "must be smaller than num_classes"),
        (am.tensor([1.0]), 3, "only applicable to index tensor"),
        (am.zeros(0, dtype=am.int64), -1, "empty tensor"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            F.one_hot(wrong, classes)


def test_summary_counts_the_mnist_network() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    found = nn.summary(net, (1, 28, 28))
    assert [row.parameters for row in found.rows] == [0, 401_920, 0, 5_130]
    assert [row.output_shape for row in found.rows] == [(None, 784), (None, 512), (None, 512), (None, 10)]
    assert (found.total, found.trainable, found.non_trainable) == (407_050, 407_050, 0)
    for text in ("401,920", "5,130", "407,050", "1 (Linear)", "(None, 512)"):
        assert text in str(found)


def test_summary_counts_shared_and_frozen_parameters_once_and_leaves_the_model_alone() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(am.ones(1))
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
            self.b.weight = self.a.weight
            self.drop = nn.Dropout(0.5)

        def forward(self, x: am.Tensor) -> tuple[am.Tensor, None]:
            return self.drop(self.b(self.a(self.a(x)))) * self.scale, None

    net = Tied()
    net.a.bias.requires_grad_(False)
    net.b.eval()
    found = nn.summary(net, 4)
    rows = [("a (Linear)", 20), ("a (Linear)", 0), ("b (Linear)", 0), ("drop (Dropout)", 0), ("Tied", 1)]
    assert [(row.layer, row.parameters) for row in found.rows] == rows
    assert (found.total, found.trainable) == (21, 17) and found.rows[-1].output_shape == (None, 4)
    assert [m.training for m in net.modules()] == [True, True, False, True]
    assert not any(m._hooks for m in net.modules())


def test_clip_grad_norm_by_hand() -> None:
    a, b = am.zeros(2, requires_grad=True), am.zeros(2, 2, requires_grad=True)
    a.grad, b.grad = am.tensor([3.0, 0.0]), am.tensor([[0.0, 4.0], [0.0, 0.0]])
    assert nn.utils.clip_grad_norm_([a, b], 10.0).item() == 5.0 and a.grad.tolist() == [3.0, 0.0]
    assert nn.utils.clip_grad_norm_(iter([a, b]), 1.0, norm_type=math.inf).item() == 4.0
    np.testing.assert_allclose(b.grad.numpy()[0, 1], 1.0, rtol=1e-6)
    a.grad = am.tensor([math.nan, 1.0])
    with pytest.raises(
        RuntimeError, match=r"The total norm of order 2.0 for gradients from `parameters` is non-finite"
    ):
        nn.utils.clip_grad_norm_([a, b], 1.0, error_if_nonfinite=True)
    nn.utils.clip_grad_norm_([a, b], 1.0)
    assert np.isnan(b.grad.numpy()).all()
    assert nn.utils.clip_grad_norm_([am.zeros(2, requires_grad=True)], 1.0).item() == 0.0
    b.grad = am.tensor([[-5.0, 0.5], [5.0, 0.0]])
    nn.utils.clip_grad_value_(b, 1.0)
    assert b.grad.tolist() == [[-1.0, 0.5], [1.0, 0.0]]


def test_parameters_as_a_vector() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (13,) and vector[:2].tolist() == net[0].weight[0].tolist()
    nn.utils.vector_to_parameters(am.arange(13.0), net.parameters())
    assert net[0].weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net[1].bias.item() == 12.0
    with pytest.raises(ValueError, match=r"13 elements, but the vector has the shape \(12,\)"):
        nn.utils.vector_to_parameters(am.zeros(12), net.parameters())
    with pytest.raises(TypeError, match="expected a Tensor"):
        nn.utils.vector_to_parameters([1.0], net.parameters())  # type: ignore[arg-type]


def test_parameter() -> None:
    x = am.ones(2)
    p = nn.Parameter(x)
    assert isinstance(p, am.Tensor) and p.requires_grad and p.is_leaf and p._array is x._array
    assert type(p * 2) is am.Tensor and repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert not nn.Parameter(x, requires_grad=False).requires_grad and nn.Parameter((p * 2).sum()).is_leaf
    assert nn.Parameter().shape == (0,)
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(am.tensor([1, 2]))
    with pytest.raises(TypeError, match="expects a Tensor, but got list"):
        nn.Parameter([1.0])  # type: ignore[arg-type]


def test_training_lowers_the_loss() -> None:
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    x = am.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = am.tensor([0, 1, 1, 0])
    adam = am.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(200):
        adam.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        adam.step()
    assert loss.item() < 0.01 and net(x).argmax(1).tolist() == y.tolist()
