"""`Module`: registration, traversal, saved state, hooks, scope, copies."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.modes import current_mode


class Net(nn.Module):
    """Two layers that share one weight, a buffer of each kind, and a list of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(am.ones(1))
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("mean", am.zeros(3))
        self.register_buffer("scratch", am.zeros(2), persistent=False)
        self.register_parameter("none", None)
        self.layers = nn.ModuleList([nn.Linear(3, 2), nn.Linear(2, 1)])

    def forward(self, x: am.Tensor) -> am.Tensor:
        x = self.second(self.first(x - self.mean)) * self.scale
        for layer in self.layers:
            x = layer(x)
        return x


NAMES = ["scale", "first.weight", "first.bias", "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
KEYS = ["scale", "mean", "first.weight", "first.bias", "second.weight", *NAMES[3:]]

# ---------------------------------------------------------------------------------------- registration and traversal


def test_parameters_by_name_shared_ones_once() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [id(p) for p in net.parameters()] == [id(p) for _, p in net.named_parameters()]
    every = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert every == [*NAMES[:3], "second.weight", *NAMES[3:]]
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == ["net.scale"]
    assert [name for name, _ in net.named_buffers()] == ["mean", "scratch"]


def test_modules_by_name() -> None:
    net = Net()
    assert [name for name, _ in net.named_children()] == ["first", "second", "layers"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "second", "layers", "layers.0", "layers.1"]
    net.second = net.first
    assert [n for n, _ in net.named_modules()] == ["", "first", "layers", "layers.0", "layers.1"]
    assert list(net.children()) == [net.first, net.layers]
    assert len([n for n, _ in net.named_modules(remove_duplicate=False)]) == 6


def test_assignment_decides_what_is_registered() -> None:
    net = Net()
    net.none = nn.Parameter(am.ones(2))
    assert "none" in dict(net.named_parameters())
    net.none = None
    assert "none" not in dict(net.named_parameters())
    net.extra = am.ones(2)  # a plain tensor is an attribute, neither parameter nor buffer
    assert "extra" not in net.state_dict()
    net.mean = am.ones(3)
    assert net.state_dict()["mean"].tolist() == [1, 1, 1]
    net.mean = nn.Parameter(am.ones(3))
    assert "mean" in dict(net.named_parameters()) and "mean" not in dict(net.named_buffers())
    del net.first, net.mean
    assert not hasattr(net, "first") and "first.bias" not in dict(net.named_parameters())
    with pytest.raises(AttributeError):
        del net.first
    assert dict(net._parameters) == {"scale": net.scale, "none": None}
    assert list(net._modules) == ["second", "layers"] and list(net._buffers) == ["scratch"]
    with pytest.raises(TypeError):
        net._parameters["w"] = net.scale  # type: ignore[index]


def test_paths() -> None:
    net = Net()
    assert net.get_submodule("") is net and net.get_submodule("layers.1") is net.layers[1]
    assert net.get_parameter("layers.1.bias") is net.layers[1].bias and net.get_buffer("mean") is net.mean


def test_apply_visits_children_first() -> None:
    seen: list[nn.Module] = []
    net = nn.Sequential(nn.Sequential(nn.ReLU()), nn.Tanh())
    assert net.apply(seen.append) is net
    assert seen == [net[0][0], net[0], net[1], net]  # type: ignore[index]


# ------------------------------------------------------------------------------------------------------ switches


def test_train_eval_and_requires_grad() -> None:
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())


def test_zero_grad() -> None:
    net = Net()
    net(am.ones(2, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    gradients = [p.grad for p in net.parameters()]
    net.zero_grad(set_to_none=False)
    assert all(p.grad is g and (g == 0).all() for p, g in zip(net.parameters(), gradients, strict=True))
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_to_changes_floats_in_place_and_leaves_integers() -> None:
    net = Net()
    net.register_buffer("count", am.tensor(3))
    net(am.ones(2, 3)).sum().backward()
    before = list(net.parameters())
    assert net.double() is net
    assert [p is q for p, q in zip(before, net.parameters(), strict=True)] == [True] * 7
    assert all(p.dtype == am.float64 and p.grad is not None and p.grad.dtype == am.float64 for p in before)
    assert net.mean.dtype == am.float64 and net.count.dtype == am.int64
    net.zero_grad()
    net(am.ones(2, 3, dtype=am.float64)).sum().backward()
    assert net.scale.grad.dtype == am.float64
    assert net.half().scale.dtype == am.float16 and net.float().scale.dtype == am.float32
    assert net.to("cpu").scale.dtype == am.float32 and net.to(am.ones(1, dtype=am.float64)).scale.dtype == am.float64
    assert net.to(dtype=am.float32).scale.dtype == am.float32 and net.type(am.float64).cpu().scale.dtype == am.float64
    with pytest.raises(TypeError, match="only accepts floating point"):
        net.to(am.int32)
    with pytest.raises(RuntimeError):
        net.to("cuda")


def test_to_the_same_dtype_between_forward_and_backward_disturbs_nothing() -> None:
    net = Net()
    loss = net(am.ones(2, 3)).sum()
    net.to("cpu").float()
    loss.backward()
    assert net.scale.grad is not None


# --------------------------------------------------------------------------------------------------- saved state


def test_state_dict_keys_and_round_trip() -> None:
    net, other = Net(), Net()
    state = net.state_dict()
    assert list(state) == KEYS
    assert not any(t.requires_grad for t in state.values()) and state["scale"]._array is net.scale._array
    assert all(a is b for a, b in zip(net.state_dict(keep_vars=True).values(), [net.scale, net.mean], strict=False))
    assert list(net.first.state_dict(prefix="a.")) == ["a.weight", "a.bias"]
    report = other.load_state_dict(state)
    assert report == ([], []) and report.missing_keys == report.unexpected_keys == []
    x = am.randn(4, 3)
    np.testing.assert_array_equal(net(x).detach().numpy(), other(x).detach().numpy())
    with am.no_grad():
        net.scale += 1
    assert other.scale.item() == 1.0  # copied, not shared


def test_loading_keeps_the_memory_and_its_order() -> None:
    layer = nn.Linear(3, 2)
    memory = layer.weight._array
    layer.load_state_dict({"weight": np.arange(6.0).reshape(2, 3), "bias": am.zeros(2)})
    assert layer.weight._array is memory and memory.flags.f_contiguous
    assert layer.weight.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_loading_is_all_or_nothing() -> None:
    layer = nn.Linear(3, 2)
    before = layer.weight.tolist()
    with pytest.raises(RuntimeError, match="size mismatch for bias"):
        layer.load_state_dict({"weight": am.zeros(2, 3), "bias": am.zeros(3)})
    assert layer.weight.tolist() == before


def test_assign_takes_the_tensors_themselves() -> None:
    layer = nn.Linear(2, 1)
    layer.bias.requires_grad_(False)
    weight = am.ones(1, 2, dtype=am.float64)
    layer.load_state_dict({"weight": weight, "bias": am.ones(1, dtype=am.float64)}, assign=True)
    assert isinstance(layer.weight, nn.Parameter) and layer.weight.dtype == am.float64
    assert layer.weight._array is weight._array and layer.weight.requires_grad and not layer.bias.requires_grad


def test_loading_after_forward_is_noticed_by_backward() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    loss = net(am.ones(1, 2)).sum()
    net.load_state_dict(copy.deepcopy(net.state_dict()))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# ------------------------------------------------------------------------------------------------------- copies


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])  # noqa: S301
def test_copies_are_alone_and_keep_what_is_shared(clone: Any) -> None:
    net = Net()
    x = am.randn(2, 3)
    y = net(x)
    twin = clone(net)
    np.testing.assert_array_equal(twin(x).tolist(), y.tolist())
    assert twin.first.weight is twin.second.weight and twin.first.weight is not net.first.weight
    assert isinstance(twin.first.weight, nn.Parameter) and twin.first.weight.requires_grad
    assert [n for n, _ in twin.named_parameters()] == NAMES
    with am.no_grad():
        net.scale.zero_()
    np.testing.assert_array_equal(twin(x).tolist(), y.tolist())


def test_copies_keep_memory_order() -> None:
    assert copy.deepcopy(nn.Linear(5, 4)).weight._array.flags.f_contiguous


def test_a_module_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        net = Net()
        net(am.ones(1, 3)).sum().backward()
        gone = weakref.ref(net), weakref.ref(net.layers[0])
        del net
        assert [r() for r in gone] == [None, None]
    finally:
        gc.enable()


# ---------------------------------------------------------------------------------------------------------- hooks


def test_forward_hooks() -> None:
    layer = nn.Identity()
    seen: list[Any] = []
    before = layer.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
    after = layer.register_forward_hook(lambda module, args, output: output * 10)
    layer.register_forward_hook(lambda module, args, output: seen.append((args[0].item(), output.item())))
    assert layer(am.tensor(3.0)).item() == 70.0 and seen == [(7.0, 70.0)]
    before.remove()
    after.remove()
    assert layer(am.tensor(3.0)).item() == 4.0
    layer.register_forward_pre_hook(lambda module, args: args[0] * 100, prepend=True)
    assert layer(am.tensor(3.0)).item() == 301.0
    assert nn.Identity()(am.tensor(3.0)).item() == 3.0  # hooks belong to one module


def test_hooks_with_keyword_arguments() -> None:
    class Add(nn.Module):
        def forward(self, x: int, *, y: int) -> int:
            return x + y

    add = Add()
    add.register_forward_pre_hook(lambda m, args, kwargs: (args, {"y": kwargs["y"] * 10}), with_kwargs=True)
    add.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["y"], with_kwargs=True)
    assert add(1, y=2) == 41
    add.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        add(1, y=2)


# ---------------------------------------------------------------------------------------------------------- scope


class Spy(nn.Module):
    def forward(self, log: list[str]) -> list[str]:
        log.append(str(current_mode().scope))
        return log


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spy = Spy()
        self.blocks = nn.ModuleList([nn.Sequential(Spy()), Spy()])

    def forward(self, log: list[str]) -> list[str]:
        log.append(str(current_mode().scope))
        for module in (self.spy, *self.blocks, self.spy):
            log = module(log)
        return log


PATHS = ["", "spy", "blocks.0.0", "blocks.1", "spy"]


def test_scope_is_the_path_of_the_module_that_runs() -> None:
    net = Outer()
    assert net([]) == PATHS and net([]) == PATHS
    with am.no_grad():
        assert net([]) == PATHS and not am.is_grad_enabled()
    assert net.spy([]) == [""]  # called alone it is a root
    assert net([]) == PATHS
    assert current_mode().scope == ""
    outer = nn.Sequential(net)
    assert outer([]) == ["0", *(f"0.{path}" for path in PATHS[1:])]


def test_scope_follows_changes_and_sharing() -> None:
    net = Outer()
    net([])
    net.blocks.insert(0, Spy())
    assert net([]) == ["", "spy", "blocks.0", "blocks.1.0", "blocks.2", "spy"]
    shared = Spy()
    twice = nn.Sequential(nn.Sequential(shared), nn.Sequential(nn.Identity(), shared))
    for _ in range(2):
        assert twice([]) == ["0.0", "1.1"]


def test_scope_ends_with_an_exception_and_is_kept_by_nodes() -> None:
    class Fails(nn.Module):
        def forward(self) -> None:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        nn.Sequential(Fails())[0]()  # type: ignore[operator]
    assert current_mode().scope == ""
    y = nn.Sequential(nn.Linear(2, 2), nn.ReLU())(am.ones(1, 2))
    assert y.grad_fn is not None and y.grad_fn.mode.scope == "1"
    parent = y.grad_fn.parents[0]
    assert parent is not None and parent.mode.scope == "0"


def test_unknown_modules_are_named_by_their_class() -> None:
    helper = Spy()

    class Uses(nn.Module):
        def forward(self, log: list[str]) -> Any:
            return helper(log)

    assert nn.Sequential(Uses())([]) == ["0.Spy"]
