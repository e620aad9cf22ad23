"""Tensors on another device: a stand-in that is as strict as CuPy, so that no rule copies to the host unnoticed.

    AUTOGRAD_MINI_DEVICE=cuda python -m pytest tests/test_devices.py

runs the same tests on a GPU; `python tests/benchmarks/gpu.py` does that, and measures there.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_device import FakeArray, from_host, to_host
from rules.samples import OPERATIONS, SAMPLES

import autograd_mini as am
from autograd_mini import devices, nn
from autograd_mini.primitive import PRIMITIVES

FAKE = "fake"
DEVICE = os.environ.get("AUTOGRAD_MINI_DEVICE", FAKE)  # "cuda": all of this on a GPU


@pytest.fixture(autouse=True)
def fake() -> Iterator[None]:
    if DEVICE == FAKE:
        devices.register(FAKE, FakeArray, from_host, to_host)
    yield
    devices._libraries.pop(FAKE, None)


def lives_there(tensor: am.Tensor) -> bool:
    return tensor.device == am.device(DEVICE) and not isinstance(tensor._array, (np.ndarray, np.generic))


def placed(value: Any, device: str) -> Any:
    """A sample's array as a tensor there, its options' arrays too; floats require grad."""
    if isinstance(value, np.ndarray):
        return am.tensor(value, device=device).requires_grad_(value.dtype.kind == "f")
    if isinstance(value, am.Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        items = [placed(item, device) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def bare(value: Any) -> Any:
    """Options are arrays, not tensors."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(bare(item) for item in value)
    return value._array if isinstance(value, am.Tensor) else value


def derivatives(operation: Any, sample: Any, device: str) -> list[Any]:
    """The value, the gradients and the gradients of the gradients, where there are any."""
    xs = [placed(x, device) for x in sample.inputs]
    options = {key: bare(placed(value, device)) for key, value in sample.options.items()}
    out = operation(*xs, **options)
    out = out[0] if isinstance(out, tuple) else out
    leaves = [x for x in xs if isinstance(x, am.Tensor) and x.requires_grad]
    if not out.requires_grad:
        return [out]
    rng = np.random.default_rng(0)
    seed = am.tensor(rng.standard_normal(out.shape), dtype=out.dtype, device=device, requires_grad=True)
    before = FakeArray.downloads, FakeArray.uploads
    first = am.autograd.grad(out, leaves, seed, create_graph=True, allow_unused=True)
    out.backward(seed.detach(), retain_graph=True)
    found = [out, *first, *(x.grad for x in leaves)]
    for g in first:
        if g is not None and g.requires_grad:
            found += am.autograd.grad(g.sum(), leaves, retain_graph=True, allow_unused=True)
    assert FakeArray.downloads == before[0], "the backward pass copied to the host"
    return found


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_primitive_runs_on_a_device(name: str) -> None:
    assert name in PRIMITIVES
    for sample in SAMPLES[name].samples:
        FakeArray.downloads = 0
        there = derivatives(OPERATIONS[name], sample, DEVICE)
        assert FakeArray.downloads == 0, f"{sample}: copied to the host"
        here = derivatives(OPERATIONS[name], sample, "cpu")
        assert len(here) == len(there)
        for one, other in zip(here, there, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                assert lives_there(other), sample
                np.testing.assert_allclose(other.detach().cpu().numpy(), one.detach().numpy(), rtol=1e-12, atol=1e-12)


# ------------------------------------------------------------------------------------------------ whole networks


class Recurrent(nn.Module):
    """An LSTM's last output into a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 4)

    def forward(self, x: am.Tensor) -> am.Tensor:
        return self.out(self.lstm(x)[0][:, -1])


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.Tanh(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.25), nn.Linear(4, 4),
    )  # fmt: skip


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.1, batch_first=True)
    return nn.Sequential(nn.TransformerEncoder(layer, 1), nn.Flatten(), nn.LayerNorm(18), nn.Linear(18, 4))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(18, 70), nn.GELU(), nn.Linear(70, 4))


NETWORKS = {
    "mlp": (mlp, (3, 6)), "lenet": (lenet, (1, 8, 8)), "lstm": (Recurrent, (3, 6)), "encoder": (encoder, (3, 6)),
}  # fmt: skip
OPTIMIZERS: dict[str, Any] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adam": {"lr": 0.01, "amsgrad": True}, "AdamW": {"lr": 0.01}, "RMSprop": {"lr": 0.01, "centered": True},
    "Adagrad": {"lr": 0.1}, "Adadelta": {"lr": 1.0},
}  # fmt: skip


def train(network: str, optimizer: str, device: str) -> tuple[list[float], nn.Module]:
    am.manual_seed(3)
    make, shape = NETWORKS[network]
    model = make().double().to(device)
    rng = np.random.default_rng(0)
    x = am.tensor(rng.standard_normal((5, *shape)), device=device)
    y = am.tensor(rng.integers(0, 4, 5), device=device)
    steps = getattr(am.optim, optimizer)(model.parameters(), **OPTIMIZERS[optimizer])
    loss_fn, losses = nn.CrossEntropyLoss(label_smoothing=0.1), []
    for _ in range(4):
        loss = loss_fn(model(x), y)
        steps.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        steps.step()
        losses.append(loss.item())
    return losses, model


@pytest.mark.parametrize("network, optimizer", [("mlp", name) for name in OPTIMIZERS] + [(n, "SGD") for n in NETWORKS])
def test_networks_learn_the_same_on_a_device(network: str, optimizer: str) -> None:
    """Equal starts, for all draws are made on the CPU; and not one copy back to it but the numbers asked for."""
    FakeArray.downloads = 0
    there, model = train(network, optimizer, DEVICE)
    assert FakeArray.downloads == 0
    assert all(lives_there(p) and lives_there(p.grad) for p in model.parameters())
    here, twin = train(network, optimizer, "cpu")
    np.testing.assert_allclose(there, here, rtol=1e-10)
    assert there[-1] < there[0]
    back = model.cpu().state_dict()
    for key, value in twin.state_dict().items():
        np.testing.assert_allclose(back[key].numpy(), value.numpy(), rtol=1e-7, atol=1e-9, err_msg=key)


# What is made of several primitives: x, of shape (4, 4), to a tensor or several.
MADE: dict[str, Any] = {
    "tril": lambda x: am.tril(x) - am.triu(x, 1), "view": lambda x: x.view(2, 8).T[3:],
    "resized": lambda x: nn.functional.interpolate(x[None, None], scale_factor=2, mode="bilinear"),
    "logsumexp of nothing": lambda x: am.logsumexp(x[:, :0] * 2, dim=1), "steps": lambda x: x.floor() * x + x.sign(),
    "one number": lambda x: x.sum()[None, None] * x, "sorted": lambda x: x.sort(dim=0).values + x.topk(4).values,
    "spectral": lambda x: am.linalg.slogdet(x).logabsdet + am.linalg.inv(x).sum() + am.linalg.norm(x),
    "scattered": lambda x: x.scatter_add(0, x.argsort(dim=0), x * 2).gather(1, x.argmax(dim=1, keepdim=True)),
    "attention": lambda x: nn.functional.scaled_dot_product_attention(x[None], x[None], x[None], is_causal=True),
    "losses": lambda x: nn.functional.cross_entropy(x, am.arange(4, device=x.device), x.detach()[0].abs())
    + nn.functional.binary_cross_entropy_with_logits(x, x.detach().sigmoid(), pos_weight=x.detach()[0].abs()),
    "hessian": lambda x: am.autograd.functional.hessian(lambda a: (a**3).sum(), x[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_compositions_run_on_a_device(name: str) -> None:
    values = np.random.default_rng(1).standard_normal((4, 4)) + 3 * np.eye(4)
    found = []
    for device in (DEVICE, "cpu"):
        x = am.tensor(values, device=device, requires_grad=True)
        FakeArray.downloads = 0
        out = MADE[name](x)
        if out.requires_grad:
            out.sum().backward()
        assert FakeArray.downloads == 0
        found.append([t.detach().cpu().numpy() for t in (out, x.grad) if t is not None])
    for there, here in zip(*found, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-12, atol=1e-12)


def write(x: am.Tensor) -> am.Tensor:
    """All kinds of writes that are recorded."""
    y = x * 1
    y[0] += 1
    y[1] += y[1]
    y[:, 1] *= 2
    y[am.tensor([2, 3], device=x.device)] = 0.0
    y[y > 1] = 1.0
    y.clamp_(-1, 1).relu_()[0, 0] = 5
    y.view(16)[2:4].mul_(3.0)
    y.T[0].add_(1)
    y[3].fill_(2.0)
    return y * y


def test_writes_on_a_device() -> None:
    results = []
    for device in (DEVICE, "cpu"):
        x = am.arange(16, dtype=am.float64, device=device).reshape(4, 4).div(7).detach().requires_grad_()
        y = write(x)
        y.sum().backward()
        results.append([y.tolist(), x.grad.tolist()])
        x.grad.zero_()
        assert x.grad.sum().item() == 0 and x.grad.device == am.device(device)
    assert results[0] == results[1]


def test_second_order_optimizer_on_a_device() -> None:
    def fit(device: str) -> list[float]:
        w = am.tensor([3.0, -2.0], dtype=am.float64, device=device, requires_grad=True)
        b = am.ones(2, 2, dtype=am.float64, device=device, requires_grad=True)
        optimizer = am.optim.LBFGS([w, b], line_search_fn="strong_wolfe")

        def closure() -> am.Tensor:
            optimizer.zero_grad()
            loss = ((w - 1) ** 4).sum() + ((b @ w) ** 2).sum()
            loss.backward()
            return loss

        return [optimizer.step(closure).item() for _ in range(3)]

    assert fit(DEVICE) == pytest.approx(fit("cpu"), rel=1e-9)


def test_draws_lie_where_their_parameters_lie() -> None:
    p = am.tensor([[0.2, 0.8], [1.0, 0.0]], device=DEVICE)
    for draw in (lambda p: am.normal(p, p + 1), lambda p: am.normal(p), am.bernoulli, lambda p: am.multinomial(p, 1)):
        am.manual_seed(0)
        there = draw(p)
        am.manual_seed(0)
        assert lives_there(there) and there.tolist() == draw(p.cpu()).tolist()


def test_gradients_cross_devices() -> None:
    x = am.tensor([1.0, -2.0], requires_grad=True)
    (x.to(DEVICE) ** 2).to("cpu").backward(am.tensor([1.0, 3.0]))
    assert isinstance(x.grad._array, np.ndarray) and x.grad.tolist() == [2.0, -12.0]


def test_views_and_writes_are_tracked_on_a_device() -> None:
    x = am.ones(3, device=DEVICE)
    w = am.ones(3, device=DEVICE, requires_grad=True)
    y = (w * x).sum()
    x[:2].mul_(2.0)
    assert x.tolist() == [2.0, 2.0, 1.0]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_a_leaf_never_shows_one_number_several_times() -> None:
    """On a device nothing is read-only: what `.grad` holds must be memory of its own all the same."""
    x = am.zeros(70, 50, device=DEVICE, requires_grad=True)
    for _ in range(2):
        x.sum().backward()
    x.grad[0, 0] = 5.0
    assert x.grad.sum().item() == 2 * 70 * 50 + 3


def test_what_python_sees_of_a_tensor_on_a_device() -> None:
    x = am.tensor([[1.5, 2.0]], device=DEVICE)
    assert repr(x) == f"tensor([[1.5000, 2.0000]], device='{DEVICE}')"
    assert x.tolist() == [[1.5, 2.0]] and x[0, 1].item() == 2.0 and x.device == am.device(DEVICE)
    assert x.is_cuda == (DEVICE == "cuda")
    assert am.zeros_like(x).device == x.device and x.cpu().device == am.device("cpu") and x.to(DEVICE) is x
    assert am.randint_like(x, 3).device == x.device and am.randint_like(x, 3).dtype == x.dtype
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu"):
        x.numpy()
    with pytest.raises((TypeError, RuntimeError), match="Unsupported type"):
        x + am.ones(1, 2)


def test_state_is_saved_from_a_device(tmp_path: Any) -> None:
    model = mlp().to(DEVICE)
    am.save(model.state_dict(), tmp_path / "model.safetensors")
    other = mlp().to(DEVICE)
    other.load_state_dict(am.load(tmp_path / "model.safetensors"))
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert lives_there(two) and one.tolist() == two.tolist()


def test_the_script_for_a_gpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as that goes without one: the losses are those of the CPU, and of PyTorch where it is installed."""
    benchmarks = Path(__file__).parent / "benchmarks"
    monkeypatch.syspath_prepend(str(benchmarks))
    spec = importlib.util.spec_from_file_location("gpu", benchmarks / "gpu.py")
    assert spec is not None and spec.loader is not None
    gpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gpu)
    places = [(am, DEVICE), (am, "cpu")]
    if importlib.util.find_spec("torch") is not None:
        places.append((importlib.import_module("torch"), "cpu"))
    losses = []
    for library, place in places:
        step = gpu.stepper(library, place, 8)
        losses.append([step() for _ in range(3)])
    for other in losses[1:]:
        np.testing.assert_allclose(losses[0], other, rtol=1e-5)
    gpu.compare(DEVICE, seconds=0.01, batches=(8,))
    assert f"autograd_mini on {DEVICE}" in capsys.readouterr().out


def test_cuda_is_there_or_says_why_not() -> None:
    if am.cuda.is_available():
        assert am.ones(2, device="cuda").sum().item() == 2.0 and am.cuda.device_count() > 0
        return
    with pytest.raises(RuntimeError, match="device cuda is not available: "):
        am.ones(2).cuda()
    with pytest.raises(RuntimeError, match="device cuda is not available: "):
        nn.Linear(2, 2).cuda()
