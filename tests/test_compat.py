"""What scripts ask and configure is answered as PyTorch answers on a machine with a CPU alone."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import compat

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")

QUESTIONS = [
    "cuda.is_available()",
    "cuda.device_count()",
    "cuda.manual_seed(3)",
    "cuda.manual_seed_all(3)",
    "cuda.empty_cache()",
    "cuda.is_bf16_supported()",
    "cuda.is_initialized()",
    "accelerator.is_available()",
    "accelerator.current_accelerator()",
    "accelerator.device_count()",
    "backends.mps.is_available()",
    "backends.mps.is_built()",
    "backends.cudnn.is_available()",
    "device('cpu').type",
    "device('cuda:1').index",
    "device('cuda') == device('cuda')",
    "device('cpu') == device('cpu:0')",
    "str(device('cuda', 2))",
    "repr(device('cuda:2')) + repr(device('cpu'))",
    "device(device('cpu:0')).index",
    "len({device('cpu'), device('cpu'), device('cuda')})",
    "amp.GradScaler('cpu', enabled=False).get_scale()",
    "amp.GradScaler(enabled=False).is_enabled()",
    "amp.GradScaler(enabled=False).state_dict()",
    "finfo(torch.float32).eps == 2**-23",
    "iinfo(torch.int64).max",
    "isinstance(torch.ones(2), torch.FloatTensor)",
    "isinstance(torch.ones(2), torch.LongTensor)",
    "LongTensor([[1, 2], [3, 4]]).tolist()",
    "FloatTensor([1, 2]).tolist()",
    "tuple(FloatTensor(2, 3).shape)",
    "tuple(LongTensor(4).shape)",
    "tuple(LongTensor().shape)",
    "ByteTensor([1, 0]).tolist()",
    "is_floating_point(torch.ones(1))",
    "numel(torch.ones(2, 3))",
    "torch.ones(2).type() + torch.ones(2).double().type() + torch.ones(2).bool().type()",
    "torch.ones(2).type('torch.DoubleTensor').type()",
    "torch.ones(2).type(torch.LongTensor).type()",
    "torch.ones(2).type(torch.float16).type()",
    "set_float32_matmul_precision('high')",
    "use_deterministic_algorithms(False)",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_same_answer(question: str) -> None:
    if not torch.cuda.is_available():
        names = {"torch": type("both", (), {**vars(am), **vars(compat)})}
        ours = eval(question, {**vars(compat), **names})  # noqa: S307
        assert ours == eval(question, {**vars(torch), "torch": torch})  # noqa: S307


@pytest.mark.parametrize("text", ["gpu", "cuda:x", ""])
def test_devices_that_do_not_exist(text: str) -> None:
    with pytest.raises(RuntimeError):
        torch.device(text)
    with pytest.raises(RuntimeError, match="Invalid device string"):
        compat.device(text)


def test_nothing_can_be_put_on_another_device() -> None:
    assert am.ones(2, device=compat.device("cpu")).tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="device cuda is not available"):
        am.ones(2, device=compat.device("cuda"))
    with pytest.raises(RuntimeError, match="device cuda is not available"):
        compat.set_default_device("cuda")
    with pytest.raises(NotImplementedError, match="no device but the CPU"):
        compat.cuda.synchronize()
    with pytest.raises(NotImplementedError, match=r"cuda\.set_device is not supported"):
        compat.cuda.set_device(0)


def test_compile_gives_back_what_it_got() -> None:
    model = am.nn.Linear(2, 2)
    assert compat.compile(model) is model and compat.compile(model, mode="max-autotune") is model

    @compat.compile(fullgraph=True)
    def double(x: float) -> float:
        return 2 * x

    assert double(3) == 6


def test_mixed_precision_is_off_and_says_so() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with compat.autocast("cpu", enabled=False), compat.cuda.amp.autocast(enabled=False):
            assert (am.ones(2, 2) @ am.ones(2, 2)).dtype == "float32"
    with pytest.warns(UserWarning, match="autocast.* is disabled"), compat.amp.autocast("cpu", dtype=compat.bfloat16):
        pass
    with pytest.warns(UserWarning, match="GradScaler is enabled, but CUDA is not available. Disabling."):
        scaler = compat.GradScaler()
    w = am.ones(1, requires_grad=True)
    sgd = am.optim.SGD([w], lr=0.5)
    scaler.scale((w * 3).sum()).backward()
    scaler.unscale_(sgd)
    scaler.step(sgd)
    scaler.update()
    assert w.item() == -0.5


def test_threads() -> None:
    with contextlib.nullcontext() if compat.get_num_threads() == 7 else pytest.warns(UserWarning, match="THREADS=7"):
        compat.set_num_threads(7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compat.set_num_threads(compat.get_num_threads())


@pytest.mark.parametrize("recorded", [False, True])
def test_variables_share_memory_and_have_no_history(recorded: bool) -> None:
    results: list[Any] = []
    for lib, make in ((am, compat.Variable), (torch, torch.autograd.Variable)):
        data = lib.ones(2, requires_grad=recorded) * 2
        v = make(data, requires_grad=True)
        with lib.no_grad():
            v[0] = 5.0
        results.append((v.requires_grad, v.is_leaf, data.tolist()))
    assert results[0] == results[1] == (True, True, [5.0, 2.0])


def test_the_state_of_the_generator() -> None:
    am.manual_seed(3)
    state = compat.get_rng_state()
    first = am.rand(3).tolist()
    compat.set_rng_state(state)
    assert am.rand(3).tolist() == first and compat.initial_seed() == 3
    assert compat.seed() == compat.initial_seed() != 3


def test_old_types_name_a_dtype() -> None:
    assert am.ones(2).to(dtype=compat.LongTensor).dtype == "int64"
    assert np.dtype(compat.DoubleTensor) == "float64" and repr(compat.IntTensor) == "autograd_mini.IntTensor"  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="bfloat16 is not supported"):
        am.ones(2, dtype=compat.bfloat16)


@pytest.mark.parametrize(("name", "advice"), [
    ("sparse_coo_tensor", "dense adjacency matrix"),
    ("spmm", "dense"),
    ("jit", "leave it out"),
    ("quantization", "float16"),
    ("complex64", "two tensors"),
    ("hub", "train one"),
])  # fmt: skip
def test_what_is_absent_says_what_to_do_instead_when_it_is_used(name: str, advice: str) -> None:
    assert name in compat.__all__
    absent = getattr(compat, name)
    with pytest.raises(NotImplementedError, match=f"{name} is not supported by autograd_mini: .*{advice}"):
        absent([[0], [0]], [1.0])
    with pytest.raises(NotImplementedError, match=rf"{name}\.deep\.down is not supported by autograd_mini: .*{advice}"):
        absent.deep.down()
    with pytest.raises(AttributeError):
        absent.__array__  # noqa: B018  protocols are not answered


def test_old_names_of_types() -> None:
    with pytest.raises(ValueError, match=r"invalid type: 'torch\.cuda\.FloatTensor'"):
        am.ones(2).type("torch.cuda.FloatTensor")
    try:
        compat.set_default_tensor_type(compat.DoubleTensor)
        assert am.tensor(1.0).dtype == "float64"
    finally:
        compat.set_default_tensor_type("torch.FloatTensor")
    assert am.tensor(1.0).dtype == "float32"
    assert am.ones(2, dtype=am.float32).to(am.uint8).type() == "torch.ByteTensor"


def test_shapes_are_tuples_and_so_is_size() -> None:
    x = am.ones(2, 3)
    assert isinstance(x.shape, am.Size) and isinstance(x.size(), am.Size) and x.shape == am.Size([2, 3])


def test_all_names_exist() -> None:
    assert all(hasattr(compat, name) for name in compat.__all__)
