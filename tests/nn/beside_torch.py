"""The same layer here and in PyTorch, from the same weights: outputs, gradients, states, reprs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import autograd_mini as am

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")

LIBRARIES = (am, torch)


def both(array: Any, requires_grad: bool | None = None) -> tuple[Any, Any]:
    """The array as a tensor of either library; floats require grad unless told otherwise."""
    array = np.array(array)
    wanted = array.dtype.kind == "f" if requires_grad is None else requires_grad
    return am.tensor(array).requires_grad_(wanted), torch.tensor(array).requires_grad_(wanted)


def numbers(shape: Sequence[int], seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def flat(output: Any) -> list[Any]:
    """The tensors of an output that may be nested."""
    if isinstance(output, (tuple, list)):
        return [tensor for part in output for tensor in flat(part)]
    return [] if output is None else [output]


def close(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    assert ours.shape == tuple(theirs.shape) and str(ours.dtype) == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def same(call: Callable[[Any, Any], Any], *arrays: Any, tolerance: float = 1e-10) -> None:
    """call(library, tensors) gives the same values in both, and the same gradients of the tensors."""
    pairs = [both(array) for array in arrays]
    outputs = [flat(call(lib, [pair[i] for pair in pairs])) for i, lib in enumerate(LIBRARIES)]
    assert len(outputs[0]) == len(outputs[1])
    for ours, theirs in zip(*outputs, strict=True):
        close(ours, theirs, tolerance)
    backward(outputs)
    for ours, theirs in pairs:
        if theirs.grad is not None:
            close(ours.grad, theirs.grad, tolerance)
        else:
            assert ours.grad is None


def backward(outputs: list[list[Any]]) -> None:
    for lib, tensors in zip(LIBRARIES, outputs, strict=True):
        total = 0.0
        for tensor in tensors:
            if tensor.requires_grad:
                total = total + (tensor * lib.tensor(np.linspace(-1, 2, tensor.numel()).reshape(tensor.shape))).sum()
        total.backward()


def twins(make: Callable[[Any], Any]) -> tuple[Any, Any]:
    """make(library) twice, in float64: the same repr and saved names; PyTorch's weights loaded here, and ours there."""
    torch.manual_seed(3)
    ours, theirs = make(am).double(), make(torch).double()
    assert repr(ours) == repr(theirs).replace("NonDynamicallyQuantizableLinear", "Linear")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    shapes = [(n, tuple(p.shape)) for n, p in theirs.named_parameters()]
    assert [(n, p.shape) for n, p in ours.named_parameters()] == shapes
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    with torch.no_grad():
        for i, parameter in enumerate(theirs.parameters()):
            parameter.copy_(torch.tensor(numbers(parameter.shape, i) * 0.3))
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def check(
    make: Callable[[Any], Any], *arrays: Any, train: bool = True, times: int = 1, tolerance: float = 1e-10
) -> None:
    """Twins of a layer on the same inputs: outputs, gradients of inputs and parameters, and buffers afterwards."""
    models = twins(make)
    for model in models:
        model.train(train)
    for _ in range(times):
        same(lambda lib, inputs: models[lib is torch](*inputs), *arrays, tolerance=tolerance)
    for ours, theirs in zip(models[0].parameters(), models[1].parameters(), strict=True):
        if theirs.grad is not None:
            close(ours.grad, theirs.grad, tolerance)
        else:
            assert ours.grad is None
    for ours, theirs in zip(models[0].buffers(), models[1].buffers(), strict=True):
        close(ours, theirs)


def same_error(call: Callable[[Any], Any], words: str = "") -> None:
    """Both raise, of one kind; ours says these words, or exactly what PyTorch says."""
    with pytest.raises(Exception) as expected:
        call(torch)
    with pytest.raises(type(expected.value)) as found:
        call(am)
    assert words in str(found.value) if words else str(found.value) == str(expected.value)


def losses_equal(make: Callable[[Any], Any], x: Any, y: Any, loss_of: Callable[..., Any], lr: float = 0.1) -> None:
    """Ten steps of gradient descent from the same weights: the losses are equal, and fall."""
    histories = []
    for lib, model in zip(LIBRARIES, twins(make), strict=True):
        losses, optimizer = [], lib.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        for _ in range(10):
            loss = loss_of(lib, model(lib.tensor(x)), lib.tensor(y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        histories.append(losses)
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-9, atol=1e-9)
    assert histories[0][-1] < histories[0][0]
