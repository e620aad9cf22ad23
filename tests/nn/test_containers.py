"""Sequences and dictionaries of modules and parameters."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import autograd_mini as am
from autograd_mini import nn


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_children()]


def test_sequential_runs_in_order() -> None:
    net = nn.Sequential(nn.Flatten(), nn.ReLU())
    assert net(am.tensor([[[-1.0], [2.0]]])).tolist() == [[0.0, 2.0]]
    assert nn.Sequential()(3) == 3


def test_sequential_by_name_and_slices() -> None:
    net = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh(), c=nn.Sigmoid()))
    assert names(net) == ["a", "b", "c"] and net.b is net[1] is net[-2]
    part = net[1:]
    assert isinstance(part, nn.Sequential) and names(part) == ["b", "c"] and part[0] is net[1]
    net[-1] = nn.ReLU()
    assert isinstance(net.c, nn.ReLU)


def test_changes_renumber() -> None:
    for make in (lambda *m: nn.Sequential(*m), lambda *m: nn.ModuleList(m)):
        a, b, c, d = nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Identity()
        net = make(a, b)
        assert net.append(c) is net and net.extend([d]) is net and list(net) == [a, b, c, d]
        assert net.insert(1, d) is net and list(net) == [a, d, b, c, d]
        assert net.pop(0) is a and list(net) == [d, b, c, d]
        del net[1:3]
        assert list(net) == [d, d]
        net += [a]
        assert list(net) == [d, d, a] and list(net + [b]) == [d, d, a, b] and len(net) == 3
        assert list(net._modules) == ["0", "1", "2"] and d in net and b not in net
        del net[-1]
        assert list(net) == [d, d]
        with pytest.raises(IndexError, match="index 2 is out of range"):
            net[2]
        with pytest.raises(IndexError, match="Index out of range: 5"):
            net.insert(5, a)
        with pytest.raises(TypeError, match="int is not a Module subclass"):
            net.append(3)
        with pytest.raises(TypeError, match="int is not a Module subclass"):
            net.insert(0, 3)
        assert list(net) == [d, d]
        with pytest.raises(TypeError, match="extend should be called with an iterable, but got ReLU"):
            net.extend(nn.ReLU())


def test_module_list_cannot_be_called() -> None:
    with pytest.raises(NotImplementedError, match=r"Module \[ModuleList\] is missing"):
        nn.ModuleList([nn.ReLU()])(3)


def test_module_dict() -> None:
    a, b = nn.ReLU(), nn.Tanh()
    net = nn.ModuleDict({"a": a})
    net["b"] = b
    assert list(net) == list(net.keys()) == ["a", "b"] and list(net.values()) == [a, b]
    assert dict(net.items()) == {"a": a, "b": b} and "a" in net and "c" not in net and len(net) == 2
    assert net.pop("a") is a and names(net) == ["b"]
    net.update([("c", a)])
    net.clear()
    assert len(net) == 0 and net != nn.ModuleDict() and len(list(nn.Sequential(net, nn.ModuleDict()).modules())) == 3
    with pytest.raises(KeyError):
        net["zz"]
    with pytest.raises(KeyError):
        del net["zz"]
    with pytest.raises(KeyError, match="attribute 'pop' already exists"):
        net["pop"] = a


def test_parameter_list_and_dict() -> None:
    p = nn.Parameter(am.ones(2))
    held = nn.ParameterList([p, am.zeros(3)])
    assert held[0] is p and isinstance(held[-1], nn.Parameter) and held[1].requires_grad and len(held) == 2
    held.append(am.ones(1)).extend([am.ones(1)])
    held[1] = p
    assert [name for name, _ in held.named_parameters(remove_duplicate=False)] == ["0", "1", "2", "3"]
    assert list(held)[1] is p and len(list(held.parameters())) == 3 and len(held[1:]) == 3
    for wrong in (4, -5):
        with pytest.raises(IndexError, match="out of range"):
            held[wrong]
    named = nn.ParameterDict({"w": am.ones(2)})
    named["v"] = p
    assert list(named.state_dict()) == ["w", "v"] and named["v"] is p and named.pop("w").shape == (2,)
    assert "ParameterList(" in repr(held) and "(0): Parameter containing: [float32 of size 2]" in repr(held)
