"""`Module`: the base of all layers and models. It knows its parameters, buffers and submodules by name."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np

from .. import devices
from ..autograd import clear_gradients
from ..autograd.function import through
from ..creation import DTypeLike
from ..engine import HookHandle, memory, wrap
from ..modes import Mode, _mode, current_mode
from ..tensor import Tensor
from ..writes import writes
from .parameter import Parameter

PARAMETER, BUFFER, TRANSIENT, MODULE = "parameter", "buffer", "buffer that is not saved", "module"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        found = f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"
        return found if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"


class Scope(str):
    """The path of a module that runs, as "encoder.fc1", which also knows the module itself."""

    module: weakref.ref[Module]


class Module:
    """A layer or a model: parameters, buffers and submodules by name, and a `forward`.

    Subclasses call `super().__init__()` first, then assign parameters and modules as attributes, and define
    `forward`; calling the module runs it.

    >>> import autograd_mini as am
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = am.nn.Parameter(am.tensor([2.0]))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> Scale()(am.tensor([3.0])).item(), [name for name, _ in Scale().named_parameters()]
    (6.0, ['factor'])
    """

    training: bool
    # Names of all that is registered, with its kind and in its order. The values stand in __dict__ like any other
    # attribute: so a parameter is read at the speed of an attribute, and there is no second place to keep in step.
    _kinds: dict[str, str]
    _scope: tuple[Mode | None, Mode] = (None, Mode())  # cache of __call__: the mode outside and the mode inside
    _hooked = False  # has a hook ever been registered? Then they stand in these three, by number
    _pre_hooks: Mapping[int, Callable[..., Any]] = MappingProxyType({})
    _hooks: Mapping[int, Callable[..., Any]] = MappingProxyType({})
    _backward_hooks: Mapping[int, Callable[..., Any]] = MappingProxyType({})

    def __init__(self) -> None:
        self.__dict__.update(training=True, _kinds={})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # --------------------------------------------------------------------------------------------------- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        mode = current_mode()
        outside, inside = self._scope
        token = _mode.set(inside if outside is mode else self._enter(mode))
        try:
            if self._hooked:
                return self._call_hooked(args, kwargs)
            return self.forward(*args, **kwargs)
        finally:
            _mode.reset(token)

    def _enter(self, mode: Mode) -> Mode:
        """The mode inside this module when it is called in `mode`: the same, with its path as the scope."""
        outside, inside = self._scope
        scope = inside.scope
        if outside is None or outside.scope is not mode.scope:  # otherwise the path is known: only grad mode changed
            scope = Scope(self._path_from(mode.scope))
            scope.module = weakref.ref(self)
        inside = mode.replace(scope=scope)
        self.__dict__["_scope"] = (mode, inside)
        return inside

    def _path_from(self, scope: str) -> str:
        caller = scope.module() if isinstance(scope, Scope) else None
        if caller is None:
            return ""  # called from outside: the root of its tree
        names = (name for name, module in caller.named_modules() if module is self)
        return ".".join(filter(None, (scope, next(names, type(self).__name__))))

    def _call_hooked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for pre_hook in tuple(self._pre_hooks.values()):
            args, kwargs = pre_hook(self, args, kwargs)
        leave: Callable[[Any], Any] | None = None
        if self._backward_hooks:
            args, leave = self._watch_backward(args)
        result = self.forward(*args, **kwargs)
        for hook in tuple(self._hooks.values()):
            changed = hook(self, args, kwargs, result)
            result = result if changed is None else changed
        return leave(result) if leave is not None else result

    def _watch_backward(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], Callable[[Any], Any]]:
        """The arguments, and a function for the result, through which the gradients of this call pass on their way."""
        passes = threading.local()  # of several threads through one graph, each has its own

        def own(grads: tuple[Any, ...]) -> tuple[Any, ...]:  # a hook may write into what it is given
            return tuple(g.clone() if isinstance(g, Tensor) else g for g in grads)

        def arrived(grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
            for hook in tuple(self._backward_hooks.values()):
                changed = hook(self, own(grad_input), own(getattr(passes, "grad_output", ())))
                if changed is not None:
                    grad_input = changed if isinstance(changed, tuple) else (changed,)
            return grad_input

        def left(grads: tuple[Any, ...]) -> tuple[Any, ...]:
            passes.grad_output = grads
            if not any(isinstance(a, Tensor) and a.requires_grad for a in args):
                arrived((None,) * len(args))
            return grads

        def leave(result: Any) -> Any:
            return through(left, result) if isinstance(result, tuple) else through(left, (result,))[0]

        return through(arrived, args), leave

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> HookHandle:
        """Call `hook(module, args)` before each forward; what it returns, if anything, replaces the arguments.

        with_kwargs: it is called as `hook(module, args, kwargs)` and returns both, or None.
        """

        def call(module: Module, args: Any, kwargs: Any) -> Any:
            changed = hook(module, args, kwargs) if with_kwargs else hook(module, args)
            if changed is None:
                return args, kwargs
            if not with_kwargs:
                return changed if isinstance(changed, tuple) else (changed,), kwargs
            if not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError(
                    f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                )
            return changed

        return self._hook("_pre_hooks", call, prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> HookHandle:
        """Call `hook(module, args, output)` after each forward; what it returns, if anything, replaces the output.

        with_kwargs: it is called as `hook(module, args, kwargs, output)`.
        """

        def call(module: Module, args: Any, kwargs: Any, output: Any) -> Any:
            return hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)

        return self._hook("_hooks", call, prepend)

    def _hook(self, name: str, call: Callable[..., Any], prepend: bool) -> HookHandle:
        hooks: OrderedDict[int, Callable[..., Any]] = self.__dict__.setdefault(name, OrderedDict())
        self.__dict__["_hooked"] = True
        handle = HookHandle(hooks, call)
        if prepend:
            hooks.move_to_end(next(reversed(hooks)), last=False)
        return handle

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> HookHandle:
        """Call `hook(module, grad_input, grad_output)` when backward has come through this module.

        Both are tuples: the gradients of the positional arguments and of the output; as in PyTorch 0 for tensors that
        require none, and None for other things, or all of grad_input if no argument requires grad. What the hook
        returns, if anything, replaces grad_input.
        """
        return self._hook("_backward_hooks", hook, prepend)

    # --------------------------------------------------------------------------------------------- registration

    def __setattr__(self, name: str, value: Any) -> None:
        kinds = self.__dict__.get("_kinds")
        kind = PARAMETER if isinstance(value, Parameter) else MODULE if isinstance(value, Module) else None
        if kind is not None:
            if kinds is None:
                what = "parameters" if kind is PARAMETER else "module"
                raise AttributeError(f"cannot assign {what} before Module.__init__() call")
            if kinds.get(name, kind) != kind:
                delattr(self, name)
            self._register(name, value, kind)
        elif kinds and name in kinds:
            if value is not None and not (kinds[name] in (BUFFER, TRANSIENT) and isinstance(value, Tensor)):
                raise TypeError(f"cannot assign '{_type(value)}' as {_EXPECTED[kinds[name]].format(name)}")
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._kinds.pop(name, None)
        super().__delattr__(name)

    def _register(self, name: str, value: Any, kind: str) -> None:
        self._kinds[name] = kind
        self.__dict__[name] = value
        if isinstance(value, Module):
            value.__dict__.pop("_scope", None)  # it may be called by another path now

    def _check_name(self, name: str, kind: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_type(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind is MODULE else ""))
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if "_kinds" not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if hasattr(self, name) and self._kinds.get(name, "").split()[:1] != [kind]:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter by name; None reserves the name."""
        self._check_name(name, PARAMETER)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_type(param)}' object to parameter '{name}' (nn.Parameter or None required)"
            )
        self._register(name, param, PARAMETER)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not learned, as a running mean; persistent: saved in the state dict."""
        self._check_name(name, BUFFER)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{_type(tensor)}' object to buffer '{name}' (Tensor or None required)")
        self._register(name, tensor, BUFFER if persistent else TRANSIENT)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule by name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type(module)} is not a Module subclass")
        self._check_name(name, MODULE)
        self._register(name, module, MODULE)

    register_module = add_module

    def _of_kind(self, *kinds: str) -> dict[str, Any]:
        return {name: self.__dict__[name] for name, kind in self._kinds.items() if kind in kinds}

    # PyTorch's three dictionaries, to read only: what is registered is changed through attributes.

    @property
    def _parameters(self) -> Mapping[str, Parameter | None]:
        return MappingProxyType(self._of_kind(PARAMETER))

    @property
    def _buffers(self) -> Mapping[str, Tensor | None]:
        return MappingProxyType(self._of_kind(BUFFER, TRANSIENT))

    @property
    def _modules(self) -> Mapping[str, Module | None]:
        return MappingProxyType(self._of_kind(MODULE))

    # ------------------------------------------------------------------------------------------------ traversal

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module as "", then all below it, depth first, by dotted path; a shared one once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._of_kind(MODULE).items():
            if child is not None:
                yield from child.named_modules(memo, _join(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules by name."""
        seen: set[Module | None] = {None}
        for name, child in self._of_kind(MODULE).items():
            if child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The direct submodules."""
        return (child for _, child in self.named_children())

    def _named(
        self, kinds: tuple[str, ...], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, tensor in module._of_kind(*kinds).items():
                if tensor is not None and id(tensor) not in seen:
                    if remove_duplicate:
                        seen.add(id(tensor))
                    yield _join(path, name), tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters by dotted path; a shared one once, unless remove_duplicate is False."""
        return self._named((PARAMETER,), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, a shared one once: what an optimizer is given."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers by dotted path."""
        return self._named((BUFFER, TRANSIENT), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; "" is this one. Raises AttributeError where there is none."""
        module = self
        for name in target.split(".") if target else ():
            child = _attribute(module, name)
            if not isinstance(child, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path. Raises AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        found = _attribute(self.get_submodule(path), name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path. Raises AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = _attribute(module, name)
        if module._kinds.get(name) not in (BUFFER, TRANSIENT):
            raise AttributeError(f"`{name}` is not a buffer")
        return found  # type: ignore[no-any-return]

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with every submodule, then with this module; returns the module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ------------------------------------------------------------------------------------------------ switches

    def train(self, mode: bool = True) -> Self:
        """Training mode for this module and all below it: Dropout drops; returns the module."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Evaluation mode: the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask (or stop asking) for the gradients of all parameters; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        clear_gradients(self.parameters(), set_to_none)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Parameters, gradients and buffers to another device, the floats to another dtype, in place: to("cuda")."""

        def convert(tensor: Tensor) -> Tensor:
            result = tensor.to(*args, **kwargs)
            if tensor.is_floating_point() and not result.is_floating_point():
                raise TypeError(
                    f"nn.Module.to only accepts floating point dtypes, but got desired dtype={result.dtype}"
                )
            return result if tensor.is_floating_point() else tensor.to(device=result.device)  # type: ignore[no-any-return]

        for tensor in itertools.chain(self.parameters(), self.buffers()):
            grad, converted = tensor.grad, convert(tensor.detach())
            if converted._array is not tensor._array:
                tensor.data = converted
                tensor.grad = None if grad is None else convert(grad)
        return self

    def cuda(self, device: Any = None) -> Self:
        """All parameters and buffers on the GPU. Raises RuntimeError where there is none, or no CuPy."""
        return self.to("cuda" if device is None else device)

    def float(self) -> Self:
        """All floating-point state as float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """All floating-point state as float64."""
        return self.to(np.float64)

    def half(self) -> Self:
        """All floating-point state as float16."""
        return self.to(np.float16)

    def type(self, dst_type: DTypeLike) -> Self:
        """All floating-point state as another dtype."""
        return self.to(dst_type)

    def cpu(self) -> Self:
        """All parameters and buffers in the CPU's memory."""
        return self.to("cpu")

    # --------------------------------------------------------------------------------------------- saved state

    def _state(self) -> dict[str, Any]:
        """This module's own parameters and saved buffers."""
        both = {**self._of_kind(PARAMETER), **self._of_kind(BUFFER)}
        return {name: tensor for name, tensor in both.items() if tensor is not None}

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted path, detached (unless keep_vars) but sharing their memory."""
        result: dict[str, Any] = OrderedDict() if destination is None else destination
        for path, module in self.named_modules(remove_duplicate=False):
            for name, tensor in module._state().items():
                result[prefix + _join(path, name)] = tensor if keep_vars else tensor.detach()
        return result

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy the values of a state dict (tensors or arrays) into this module; all of them, or nothing is changed.

        strict: missing and unexpected keys are an error, not only reported. assign: take the tensors themselves, with
        their dtype, instead of copying their values. Raises RuntimeError with all that does not fit.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        found: list[tuple[Module, str, Any]] = []
        for path, module in self.named_modules(remove_duplicate=False):
            state, prefix = module._state(), _join(path, "")
            for name, tensor in state.items():
                key = prefix + name
                if key not in state_dict:
                    missing.append(key)
                elif problem := _mismatch(key, tensor, state_dict[key]):
                    errors.append(problem)
                else:
                    found.append((module, name, state_dict[key]))
            unexpected += [key for key in state_dict if key.startswith(prefix) and not module._expects(key, prefix)]
        if strict:
            named = (("Missing", missing), ("Unexpected", unexpected))
            reports = [f"{what} key(s) in state_dict: {_quoted(keys)}. " for what, keys in named if keys]
            errors = reports + errors
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))
        for module, name, value in found:
            module._load(name, value, assign)
        return IncompatibleKeys(missing, unexpected)

    def _expects(self, key: str, prefix: str) -> bool:
        name, dot, _ = key[len(prefix) :].partition(".")
        return self._kinds.get(name) == MODULE if dot else name in self._state()

    def _load(self, name: str, value: Any, assign: bool) -> None:
        target = self.__dict__[name]
        array = value._array if isinstance(value, Tensor) else value
        if not assign:
            memory(target)[...] = devices.move(array, devices.device_of(target._array))  # in the memory order it has
            writes.note(target._array)
        elif isinstance(target, Parameter):
            self.__dict__[name] = Parameter(wrap(array), target.requires_grad)
        else:
            self.__dict__[name] = wrap(array)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_scope"}

    # -------------------------------------------------------------------------------------------------- display

    def extra_repr(self) -> str:
        """What stands in the parentheses of the repr; for subclasses to define."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): " + _indent(repr(m)) for name, m in self._of_kind(MODULE).items()]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({extra})"
        body = "".join(f"\n  {line}" for line in lines + children)
        return f"{self._get_name()}({body}\n)" if body else f"{self._get_name()}()"


_EXPECTED = {
    PARAMETER: "parameter '{}' (nn.Parameter or None expected)", BUFFER: "buffer '{}' (Tensor or None expected)",
    TRANSIENT: "buffer '{}' (Tensor or None expected)", MODULE: "child module '{}' (nn.Module or None expected)"
}


def _type(value: Any) -> str:
    return type(value).__name__


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _attribute(module: Module, name: str) -> Any:
    if not hasattr(module, name):
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    return getattr(module, name)


def _mismatch(key: str, tensor: Tensor, value: Any) -> str:
    if not isinstance(value, (Tensor, np.ndarray)):
        return (
            f'While copying the parameter named "{key}", expected a Tensor or an array from checkpoint but'
            f" received {type(value)}"
        )
    if tuple(value.shape) != tensor.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {tuple(value.shape)} from checkpoint,"
            f" the shape in current model is {tensor.shape}."
        )
    return ""
