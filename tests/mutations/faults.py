"""Small faults to be planted: in which file what is replaced by what, and the tests that should notice.

Each changes one thing that a careless edit could change: a derivative by one per cent, a value by 1e-4, a tie, an axis,
a default, a dtype, a check. The text that is replaced occurs once in its file: test_faults.py holds that.
"""

# ruff: noqa: E501 - a line that is replaced stands on one line

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    file: str  # below autograd_mini/
    old: str
    new: str
    tests: str  # arguments of pytest


def op(*names: str) -> str:
    return " ".join(f"tests/test_programs.py::test_every_operation_alone[{name}]" for name in names)


PROGRAMS = "tests/test_programs.py"
ELEMENTWISE, REDUCE = (f"tests/rules/test_{name}.py" for name in ("elementwise", "reduce"))
INDEX, LINALG, NNET = (f"tests/rules/test_{name}.py" for name in ("index", "linalg", "nnet"))
SURVIVORS = "tests/rules/test_survivors.py"
CONV, POOL = "tests/rules/test_conv.py", "tests/rules/test_pool.py"
ENGINE = "tests/test_engine.py"
OPTIM, SCHEDULES, LBFGS = (
    f"tests/optim/test_{name}.py" for name in ("optim_torch", "lr_scheduler", "lbfgs")
)
LAYERS = "tests/nn/test_nn_torch.py tests/nn/test_layers.py"
LOSSES = f"tests/nn/test_losses_torch.py {LAYERS}"
NORMS, RECURRENT = "tests/nn/test_norm_layers.py", "tests/nn/test_recurrent.py"
DATA = "tests/utils/data"
FILES, CRASHES, RESUMED = "tests/test_serialization.py", "tests/test_crashes.py", "tests/test_resumption.py"
TRAINING, THREADS, DEEP = "tests/test_training.py", "tests/test_threads.py", "tests/test_deep_and_wide.py"
KEPT = "tests/autograd/test_kept_values.py"
INTERRUPTED = "tests/test_interruption.py"

_E, _R, _S, _I, _L, _N = (f"rules/{name}.py" for name in ("elementwise", "reduce", "shape", "index", "linalg", "nnet"))
_J, _SORT = "rules/joining.py", "rules/sorting.py"
JOINING, SORTING = "tests/rules/test_joining.py", "tests/rules/test_sorting.py"
_O, _LR = "optim/optimizer.py", "optim/lr_scheduler.py"
_F = "nn/functional.py"

FAULTS = [
    # one per cent in a gradient, in rules of every kind
    Fault(_E, "exp = primitive(np.exp, x=lambda g, out: g * out)",
          "exp = primitive(np.exp, x=lambda g, out: g * out * 1.01)", op("exp")),
    Fault(_E, "log = primitive(np.log, x=lambda g, x: g / x)", "log = primitive(np.log, x=lambda g, x: g / x * 1.01)",
          op("log")),
    Fault(_E, "y=lambda g, out, y: -g * (out / y)", "y=lambda g, out, y: -g * (out / y) * 0.99", op("div")),
    Fault(_E, "x=lambda g, x: -g * np.sin(x)", "x=lambda g, x: -g * np.sin(x) * 1.01", op("cos")),
    Fault(_E, "tanh = primitive(np.tanh, x=lambda g, out: g * (1.0 - out * out))",
          "tanh = primitive(np.tanh, x=lambda g, out: g * (1.0 - 0.99 * out * out))", op("tanh")),
    Fault(_E, "x=lambda g, out: g * (out * (1.0 - out))", "x=lambda g, out: g * (out * (1.01 - out))", op("sigmoid")),
    Fault(_E, "sqrt = primitive(np.sqrt, x=lambda g, out: g * 0.5 / out)",
          "sqrt = primitive(np.sqrt, x=lambda g, out: g * 0.505 / out)", op("sqrt")),
    Fault(_E, "x=lambda g, x: g / (x + 1.0)", "x=lambda g, x: g / (x + 1.01)", op("log1p")),
    Fault(_E, "x=lambda g, out: g * (out + 1.0)", "x=lambda g, out: g * out", op("expm1")),
    Fault(_E, "x=lambda g, x: g / (x * _LOG10)", "x=lambda g, x: g / x", op("log10")),
    Fault(_R, "return repeat(g / (count or 1), x_shape, axis, keepdims)",
          "return repeat(g / (count + 1), x_shape, axis, keepdims)", op("mean")),
    Fault(_R, "* deviation * (2 / free", "* deviation * (2.02 / free", op("var")),
    Fault(_R, "keepdims) * np.exp(x - np.where(out == -np.inf, 0.0, out))",
          "keepdims) * np.exp(x - np.where(out == -np.inf, 0.0, out)) * 1.01", op("logsumexp")),
    Fault(_N, "x=lambda g, out, axis: out * (g - _total(g, axis, out))",
          "x=lambda g, out, axis: out * (g - 0.99 * _total(g, axis, out))", op("softmax")),
    Fault(_N, "return (p - _hot(target, x.shape[-1])) * g[..., None]",
          "return (p - _hot(target, x.shape[-1]) * 0.99) * g[..., None]", op("nn.functional.cross_entropy")),
    Fault(_N, "- out * along) / deviation", "- 0.99 * out * along) / deviation", op("nn.functional.layer_norm")),
    Fault(_L, "x=lambda g, out: -(_t(out) @ g @ _t(out))", "x=lambda g, out: -1.01 * (_t(out) @ g @ _t(out))",
          op("inverse")),
    Fault(_E, "x=lambda g, x: g * _gauss(x)", "x=lambda g, x: g * _gauss(x) * 1.01", op("erf")),
    # a value that is wrong by a little
    Fault(_E, "scale=1.0507009873554804934193349852946", "scale=1.0506", op("nn.functional.selu")),
    Fault(_E, "return div(relu6(add(x, 3.0)), 6.0)", "return div(relu6(add(x, 3.0)), 6.0001)", ELEMENTWISE),
    Fault(_E, "return mul(x, tanh(inner) * 0.5 + 0.5)", "return mul(x, tanh(inner) * 0.5 + 0.5001)",
          op("nn.functional.gelu")),
    Fault(_N, "input * rsqrt(mean(square(input), axis=axes, keepdims=True) + eps)",
          "input * rsqrt(mean(square(input), axis=axes, keepdims=True) + 2 * eps)", op("nn.functional.rms_norm")),
    Fault(_F, "(1 - label_smoothing) * hot + label_smoothing / count",
          "(1 - label_smoothing) * hot + label_smoothing / (count - 1)", LOSSES),
    Fault(_F, "return near * (distance - near * 0.5)", "return near * (distance - near * 0.501)", LOSSES),
    Fault("nn/utils.py", "return math.sqrt(np.dot(flat, flat))", "return math.sqrt(np.dot(flat, flat) * 1.0002)",
          "tests/nn/test_layers.py tests/nn/test_nn_torch.py autograd_mini/nn/utils.py"),
    # lost second order: what the rule branches on or forgets
    Fault(_E, "sin = primitive(np.sin, x=lambda g, x: g * np.cos(x))",
          "sin = primitive(np.sin, x=lambda g, x: g * np.cos(getattr(x, '_array', x)))", op("sin")),
    Fault(_E, "mul = primitive(operator.mul, numpy=np.multiply, x=lambda g, y: g * y,",
          "mul = primitive(operator.mul, numpy=np.multiply, x=lambda g, y: g * getattr(y, '_array', y),", op("mul")),
    Fault("engine.py", "value = wrap(value, node)\n        elif", "value = wrap(value)\n        elif", op("exp")),
    Fault("engine.py", "                value = wrap(value, parent)\n", "                value = wrap(value)\n", op("sin")),
    Fault("autograd/__init__.py", 'run_in({"grad": create_graph, "order": order}, walk',
          'run_in({"grad": False, "order": order}, walk', op("mul")),
    # another rule at ties and kinks
    Fault(_E, "return 0.5 * (g * ~(x < y) + g * ~(x <= y))", "return g * ~(x < y)", ELEMENTWISE),
    Fault(_E, "@primitive(x=lambda g, out: g * ~(out <= 0))", "@primitive(x=lambda g, out: g * ~(out < 0))",
          ELEMENTWISE),
    Fault(_E, "return g * ((x >= min) & (x <= max))", "return g * ((x > min) & (x < max))", ELEMENTWISE),
    Fault(_E, "g * ~((x <= min_val) | (x >= max_val))", "g * ~((x < min_val) | (x > max_val))", ELEMENTWISE),
    Fault(_R, "return ties * (keep_axes(g, x.shape, axis, keepdims) / count)",
          "return ties * keep_axes(g, x.shape, axis, keepdims)", REDUCE),
    Fault(_R, "| np.isnan(x)  # equal elements share the gradient evenly",
          "& ~np.isnan(x)  # equal elements share the gradient evenly", REDUCE),
    Fault("rules/pool.py", "divisor if isinstance(divisor, (int, float)) else divisor.astype(total.dtype)",
          "1.0 * divisor + 1 if isinstance(divisor, (int, float)) else divisor.astype(total.dtype)", POOL),
    # axes, off by one, the wrong end
    Fault(_R, "np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)", "np.cumsum(g, axis=axis)", op("cumsum")),
    Fault(_J, "slice(starts[i], starts[i + 1])", "slice(starts[i - 1], starts[i])",
          op("cat")),
    Fault(_S, "return np.transpose(g, [order.index(i) for i in range(len(order))])", "return np.transpose(g, order)",
          SURVIVORS),
    Fault(_S, "np.roll(g, [-n for n in shifts], dims)", "np.roll(g, [n for n in shifts], dims)", op("roll")),
    Fault(_J, "return split(x, -(-length // chunks) or 1, dim)", "return split(x, length // chunks or 1, dim)",
          op("chunk") + f" {JOINING}"),
    Fault(_SORT, "keepdims=True), last, last // 2)", "keepdims=True), last, (last + 1) // 2)", op("median")),
    Fault("nn/arguments.py", "return not isinstance(value, bool)", "return True", "tests/nn/test_arguments.py"),
    Fault("nn/arguments.py", "default=0) < 0:", "default=0) < -1:", "tests/nn/test_arguments.py"),
    Fault(_SORT, "return x.shape[axis] - 1 - np.flip(", "return x.shape[axis] - np.flip(", SORTING),
    Fault(_S, "return flip_axes(x, dims=(0,))", "return flip_axes(x, dims=(1,))", op("flipud")),
    Fault(_S, "call(diagonal, g, offset=offset, dim1=dim1, dim2=dim2)", "call(diagonal, g, offset=0, dim1=dim1, dim2=dim2)",
          op("diag_embed")),
    Fault("rules/axes.py", "return tuple([a % ndim for a in axes]) if ndim else ()",
          "return tuple([a % ndim for a in sorted(axes)[:1]]) if ndim else ()", SURVIVORS),
    Fault("engine.py", "axes = (*range(lead), *(lead + k", "axes = (*range(lead), *(k", ENGINE),
    Fault("engine.py", "if n == 1 != gradient.shape[lead + k]", "if n == 1 != gradient.shape[k]", ENGINE),
    Fault("engine.py", "gradient.shape[-1:] == shape != (1,) and blas", "shape != (1,) and blas", ENGINE),
    Fault(_I, "return call(put, g, index=index, shape=x_shape)", "return call(setitem, g, 0.0, index=index)", op("getitem")),
    # dtypes
    Fault("engine.py", "            if result.dtype is not parent.dtype:\n", "            if False:\n", ENGINE),
    Fault(_L, "(x.astype(np.float32) @ y.astype(np.float32)).astype(_HALF)",
          "(x.astype(np.float32) @ y.astype(np.float32))", LINALG),
    Fault("engine.py", "if create_graph or kept is None or node.number < writes.last:", "if create_graph or kept is None:",
          f"{ENGINE} {KEPT}"),
    Fault("writes.py", "numbers[0] = self.last = tick()", "numbers[0] = tick()", f"{ENGINE} {KEPT}"),
    Fault("writes.py", "        with self._lock:\n", "        if True:\n", f"{THREADS}"),
    Fault("writes.py", "    while (base := getattr(array, \"base\", None)) is not None and is_memory(base):\n        array = base\n", "", f"{ENGINE} {KEPT}"),
    Fault("writes.py", "is_memory(array) and writes.of(array)[0] > node.number",
          "is_memory(array) and writes.of(array)[0] > node.number + 1", f"{ENGINE} {KEPT}"),
    Fault("engine.py", "    if writes.recorded:\n", "    if False:\n", f"{ENGINE} {KEPT}"),
    Fault("optim/optimizer.py", "        writes.note(p)\n", "", f"{ENGINE} {KEPT} tests/optim/test_optimizer.py"),
    Fault("engine.py", "            return result.copy()\n    return result\n", "            break\n    return result\n", f"{ENGINE} {PROGRAMS}"),
    Fault("engine.py", "        if not retain_graph and primitive.keeps_values:\n            node.kept = None\n", "", ENGINE),
    Fault("engine.py", "            writes.note(extra.grad._array)  # first", "            pass  # first",
          INTERRUPTED),
    Fault("engine.py", "elif extra.grad._node is None and is_memory(extra.grad._array):", "elif True:",
          f"{ENGINE} tests/test_autograd.py"),
    # modes, threads, interruption
    Fault("engine.py", "    with _commit:\n", "    if True:\n", THREADS),
    Fault("engine.py", "        with _commit:  # two threads that find none shall not make two\n", "        if True:\n", THREADS),
    Fault("engine.py", "        with _commit:  # two threads shall not make two\n", "        if True:\n", THREADS),
    Fault("engine.py", "        with _commit:  # not while another thread adds to it\n", "        if True:\n", THREADS),
    Fault("engine.py", "            writes.note(extra.grad._array)  # and last", "            pass  # and last", THREADS),
    Fault("engine.py", "node.number = since or tick()", "node.number = tick()", THREADS),
    Fault("primitive.py", "                    with engine._commit:  # two threads shall not make two\n", "                    if True:\n", THREADS),
    Fault(_O, "                    if watched:", "                    if False:", THREADS),
    Fault("creation.py", "return super().numpy if other is None else other.numpy", "return super().numpy", f"{THREADS} tests/autograd/test_checkpoint.py"),
    Fault("utils/checkpoint.py", "            with self.call.running:\n", "            if True:\n", THREADS),
    Fault("utils/checkpoint.py", "now not in (self.random, self.drawn)", "False", THREADS),
    Fault("autograd/function.py", "self.ctx._saved.pop(thread, None)", "self.ctx._saved.clear()", THREADS),
    Fault("modes.py", "    context = contextvars.copy_context()\n    context.run(_mode.set, current_mode().replace(**changes))\n"
          "    return context.run(function, *args)\n",
          "    with ModeSwitch(**changes):\n        return function(*args)\n", INTERRUPTED),
    Fault("modes.py", "        if inspect.iscoroutinefunction(function):\n            return coroutine",
          "        if False:\n            return coroutine", THREADS),
    Fault("modes.py", "return generator if inspect.isgeneratorfunction(function) else wrapper", "return wrapper",
          f"{THREADS} {ENGINE}"),
    Fault("engine.py", "heappush(frontier, (-(parent.number if", "heappush(frontier, ((parent.number if",
          f"{ENGINE} {PROGRAMS}"),
    Fault("engine.py", "and node.number >= oldest:", "and node.number >= oldest + 2:", f"{ENGINE} tests/test_autograd.py"),
    # optimizers
    Fault("optim/sgd.py", "damped: Any = group[\"dampening\"] != 0 and not start",
          "damped: Any = group[\"dampening\"] != 0", OPTIM),
    Fault("optim/sgd.py", "1 - float(group[\"dampening\"])", "float(group[\"dampening\"])", OPTIM),
    Fault("optim/sgd.py", "                t += g\n", "", OPTIM),
    Fault("optim/adam.py", "root = math.sqrt(1 - beta2**step)", "root = math.sqrt(1 - beta2**(step + 1))", OPTIM),
    Fault("optim/adam.py", "np.sqrt(np.maximum(largest[0], v, out=largest[0]) if largest else v, t)", "np.sqrt(v, t)", OPTIM),
    Fault("optim/adam.py", "float(group[\"eps\"]) * root", "float(group[\"eps\"])", OPTIM),
    Fault("optim/adam.py", "                p *= 1 - lr * decay\n", "                pass\n", OPTIM),
    Fault("optim/rmsprop.py", "            t += eps\n            np.divide(g, t, t)\n",
          "            np.divide(g, t, t)\n", OPTIM),
    Fault("optim/rmsprop.py", "np.subtract(v, np.multiply(m, m, t), t)", "np.subtract(v, m, t)", OPTIM),
    Fault("optim/adagrad.py", "(1 + (step - 1) * float", "(1 + step * float", OPTIM),
    Fault("optim/adadelta.py", "            u += np.multiply(1 - rho, t, t)\n            p -=", "            p -=", OPTIM),
    Fault("optim/lbfgs.py", "y, s = g - state[\"prev_flat_grad\"]._array, state[\"d\"]._array * float(state[\"t\"])",
          "y, s = g - state[\"prev_flat_grad\"]._array, state[\"d\"]._array", LBFGS),
    Fault("optim/lbfgs.py", "c2: float = 0.9", "c2: float = 0.8", LBFGS),
    Fault(_O, "        return np.negative(g, out)\n", "        return g\n", OPTIM),
    Fault(_O, "return np.subtract(out, g, out) if maximize else np.add(out, g, out)",
          "return np.add(out, g, out)", OPTIM),
    Fault(_O, "        self._steps = state_dict.get(\"steps\", self._steps)  # PyTorch's have none\n", "", RESUMED),
    Fault(_O, "TIDY_EVERY = 32", "TIDY_EVERY = 16", "tests/optim " + RESUMED),
    # schedulers
    Fault(_LR, "if self.last_epoch == 0 or self.last_epoch % self.step_size else self.gamma",
          "if self.last_epoch == 0 or (self.last_epoch + 1) % self.step_size else self.gamma", SCHEDULES),
    Fault(_LR, "(self.last_epoch - 1) * rise", "self.last_epoch * rise", SCHEDULES),
    Fault(_LR, "        while self.T_cur >= self.T_i:\n", "        while self.T_cur > self.T_i:\n", SCHEDULES),
    Fault(_LR, "if self.num_bad_epochs > self.patience:", "if self.num_bad_epochs >= self.patience:", SCHEDULES),
    Fault(_LR, "up, last = float(pct_start * self.total_steps) - 1, self.total_steps - 1",
          "up, last = float(pct_start * self.total_steps), self.total_steps - 1", SCHEDULES),
    Fault(_LR, "up = (1 - math.cos(math.pi / self.T_max)) / 2", "up = (1 - math.cos(math.pi / self.T_max))", SCHEDULES),
    Fault(_LR, "i = bisect_right(self._milestones, self.last_epoch)\n        scheduler",
          "i = bisect_right(self._milestones, self.last_epoch - 1)\n        scheduler", SCHEDULES),
    # losses, layers, init
    Fault(_F, "return reduced(picked * -counts, reduction, float(counts.sum()))",
          "return reduced(picked * -counts, reduction, float(counts.size))", LOSSES),
    Fault(_F, "        losses = nnet.softmax_cross_entropy(scores, np.maximum(classes, 0)) * counts\n",
          "        losses = nnet.softmax_cross_entropy(scores, np.maximum(classes, 0))\n", LOSSES),
    Fault(_N, "return reduced(losses, \"sum\") / input.shape[0]", "return reduced(losses, \"mean\")",
          LOSSES),
    Fault("nn/init.py", "    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)\n",
          "    bound = math.sqrt(2.0) * _kaiming_std(tensor, a, mode, nonlinearity)\n", "tests/nn"),
    Fault("nn/init.py", "return gain * math.sqrt(2.0 / ((fan_in + fan_out) or 1))",
          "return gain * math.sqrt(2.0 / (fan_in or 1))", "tests/nn"),
    Fault("nn/init.py", "return math.sqrt(2.0 / (1 + slope**2))", "return math.sqrt(2.0 / (1 + slope))", "tests/nn"),
    Fault("nn/init.py", "q = q * np.where(np.diagonal(r) < 0, -1, 1)", "q = q * 1", "tests/nn"),
    Fault("nn/linear.py", "bound = 1 / math.sqrt(self.in_features) if", "bound = 1 / math.sqrt(self.out_features) if",
          "tests/nn"),
    Fault("nn/linear.py", "a=math.sqrt(5))", "a=0)", "tests/nn"),
    Fault(_N, "running[...] = (1 - momentum) * running + momentum * batch",
          "running[...] = momentum * running + (1 - momentum) * batch", NORMS),
    Fault(_N, "np.multiply(kept, 1 / (1 - p) if p < 1 else 0.0, dtype=input.dtype)",
          "np.multiply(kept, 1.0, dtype=input.dtype)", f"{NNET} tests/nn"),
    Fault(_N, "dtype=np.float32) >= p, input)", "dtype=np.float32) >= 1 - p, input)", f"{NNET} tests/nn"),
    Fault("nn/recurrent.py", "c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)",
          "c = F.sigmoid(f) * c + (1 - F.sigmoid(f)) * F.tanh(g)", RECURRENT),
    Fault("nn/recurrent.py", "n = F.tanh(x_n + r * h_n)", "n = F.tanh(r * (x_n + h_n))", RECURRENT),
    Fault("rules/conv.py", "return [(total // 2, total - total // 2) for total in totals]",
          "return [(total - total // 2, total // 2) for total in totals]", CONV),
    Fault("rules/pool.py", "return [slice(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]",
          "return [slice(i * size // count, (i + 1) * size // count) for i in range(count)]", POOL),
    Fault("amp.py", "self._set_scale(self._scale * self._backoff_factor)\n            self._growth_tracker = 0\n",
          "self._set_scale(self._scale * self._backoff_factor)\n", "tests/test_amp.py"),
    # data, training, resumption
    Fault("utils/data/sampler.py", "return samples // size if drop_last else -(-samples // size)",
          "return samples // size if drop_last else samples // size + 1", DATA),
    Fault("utils/data/sampler.py", "            order += drawn.tolist()[:left]\n        yield from order\n",
          "            order += drawn.tolist()[:left]\n        yield from sorted(order)\n", DATA),
    Fault("utils/data/sampler.py", "drawn = randperm(n, generator=self.generator)", "drawn = randperm(n)", DATA),
    Fault("utils/data/distributed.py", "yield batch[get_rank() :: get_world_size()]", "yield batch[get_rank() :]",
          "tests/distributed"),
    Fault("utils/data/dataset.py", "ends = list(itertools.accumulate(counts))\n",
          "ends = [0, *itertools.accumulate(counts)][: len(counts)]\n", DATA),
    Fault("utils/data/dataloader.py", "            generator.set_state(now)\n", "", RESUMED),
    Fault("utils/data/dataloader.py", "            self._place[\"batches\"] += 1\n            yield batch\n",
          "            yield batch\n            self._place[\"batches\"] += 1\n", RESUMED),
    Fault("training.py", "        default_generator.set_state(state[\"generator\"])\n", "", RESUMED),
    Fault("training.py", "            self._epoch, self._batch, self._means = epoch + 1, 0,",
          "            self._epoch, self._batch, self._means = epoch, 0,", RESUMED),
    Fault("training.py", "trainer.stop_training |= self.waited >= self.patience",
          "trainer.stop_training |= self.waited > self.patience", TRAINING),
    Fault("training.py", "self.sums[\"loss\"] += loss.item() * count", "self.sums[\"loss\"] += loss.item()", TRAINING),
    # files
    Fault("serialization.py", "        os.replace(beside, target)\n",
          "        __import__(\"shutil\").copyfile(beside, target)\n        os.unlink(beside)\n", f"{FILES} {CRASHES}"),
    Fault("serialization.py", "            os.fsync(file.fileno())\n", "", FILES),
    Fault("serialization.py", "if copy and _checksum(known[\"tree\"], arrays) != known[\"crc32\"]:", "if False:", FILES),
    Fault("serialization.py", "return memoryview(bytearray(archive.read(name)))",
          "return _content(archive, name, memoryview(bytearray((archive.fp.seek(0), archive.fp.read())[1])))", FILES),
    Fault("serialization.py", "        if not members and size > 22:", "        if False:", f"{FILES} {CRASHES}"),
    Fault("serialization.py", "        if sum(m.file_size for m in members) > size:", "        if False:",
          f"{FILES} {CRASHES}"),
    Fault("serialization.py", "fill = -(at + 30 + len(name.encode()) + 6) % 64", "fill = -(at + 30 + len(name) + 6) % 64",
          FILES),
    Fault("serialization.py", "zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))", "zipfile.ZipInfo(name, __import__('time').localtime()[:6])", FILES),
    # work and size
    Fault("draw/text.py", "    if len(inputs) > 8:", "    if False:", DEEP),
]  # fmt: skip
