"""The optimizer of a run: DeZero's or one's own, with what its recipe adds to each step."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.config import parts
from runner.engine.device import Array
from runner.engine.dezero import Variable, dezero, named_parameters
from runner.engine.protocol import Position
from runner.engine.recipe import Options, Recipe
from runner.engine.update import optimizer_state, schedule
from runner.errors import ConfigError

#: Makes, from the arguments of DeZero's class, an optimizer that updates all weights in one pass
#: (runner/engine/update/flat.py); by DeZero's class.
Fused = Mapping[type, Callable[..., Any]]

#: Attributes in which an optimizer may keep its learning rate. The `lr` of DeZero's Adam is no
#: attribute: it is computed from alpha and the step.
_RATES = ("lr", "alpha")


class Optimizer:
    """An update rule, and around it weight decay, clipping and the learning rate of the step.

    Parameters
    ----------
    model
        The rule is set up on it.
    fused
        What makes some of DeZero's classes in their place.

    Attributes
    ----------
    rule
        What the recipe names: an `Optimizer` of DeZero's, or any object with `setup` and `update`.
    hooks
        Each is called before the update with the parameters that have a gradient, sorted by name.
    is_fused
        Whether our kernels update the weights, and not the rule's own code.

    Raises
    ------
    ConfigError
        When there is no such class, or it cannot do what the recipe says.
    """

    def __init__(self, recipe: Recipe, model: Any, fused: Fused = MappingProxyType({})) -> None:
        self._target, self._n_epochs, self._model = recipe.target, recipe.n_epochs, model
        made_by = _class(recipe.target)
        signature = inspect.signature(made_by)
        arguments, self._options = _divided(signature, recipe.settings)
        try:
            signature.bind(**arguments)
        except TypeError as error:
            raise self._refused(f"{error}; its arguments are {signature}") from None
        self.is_fused = made_by in fused
        self._make: Callable[[], Any] = partial(fused.get(made_by, made_by), **arguments)
        self.rule = self._make()
        for name in ("setup", "update"):
            if not callable(getattr(self.rule, name, None)):
                raise self._refused(
                    f"it has no {name}(); take dezero.optimizers.Optimizer as its base"
                )
        self._rate_name = next((name for name in _RATES if name in vars(self.rule)), None)
        self.hooks = self._hooks()
        if self._options.schedule:
            self._lr = float(getattr(self.rule, self._needed_rate_name("schedule")))
        self.rule.setup(model)
        self._at_start = optimizer_state.marks(self.rule, model)
        self._n_steps, self._steps_per_epoch = 0, 1

    def update(self) -> None:
        """Take one step with the gradients that are there."""
        self._n_steps += 1
        if self._options.schedule:
            setattr(self.rule, str(self._rate_name), self._rate(self._n_steps))
        if self.hooks:
            parameters = named_parameters(self._model).values()
            with_gradient = [p for p in parameters if p.grad is not None]
            for hook in self.hooks:
                hook(with_gradient)
        self.rule.update()

    def move_to(self, position: Position, steps_per_epoch: int) -> None:
        """Take the next step's rate for the step after this position."""
        self._steps_per_epoch = steps_per_epoch
        self._n_steps = (position.epoch - 1) * steps_per_epoch + position.step

    def rates(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What kernels read of each of the next n steps, if the rule is fused.

        Returns
        -------
        rates
            The learning rates, as the rule corrects them, of shape (n,).
        keeps
            The factors by which decoupled decay multiplies the weights, of shape (n,).
        """
        if not self.is_fused:
            return np.zeros(n), np.ones(n)
        if self._options.schedule:
            rates = np.array([self._rate(self._n_steps + 1 + i) for i in range(n)])
        else:
            rates = np.full(n, getattr(self.rule, str(self._rate_name)))
        return self.rule.rates(rates), self.rule.keep(rates)

    def count(self, n: int) -> None:
        """Count n steps that a CUDA graph took without a call of `update`."""
        self._n_steps += n
        self.rule.count(n)

    def warm_up(self) -> None:
        """Compile what `update` needs, or show on a second rule that its state can be kept.

        No weight and no state changes.

        Raises
        ------
        ConfigError
            When a checkpoint could not hold the rule's state, or weights would change their type.
        """
        if self.is_fused:
            self.rule.warm_up()
        elif type(self.rule).__module__ != dezero.optimizers.__name__:
            self._try_out()

    def state(self) -> dict[str, Any]:
        """What another process needs to go on with the same bits, by name, as NumPy arrays.

        Raises
        ------
        ConfigError
            When a checkpoint cannot hold the rule's state.
        """
        # A scheduled rate is a function of the step.
        left_out = [str(self._rate_name)] if self._options.schedule else []
        return optimizer_state.state(self.rule, self._model, self._at_start, left_out)

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Put back what `state` gave, on the device of the parameters."""
        optimizer_state.restore(self.rule, self._model, arrays)

    def _rate(self, step: int) -> float:
        of = self._options.schedule
        return schedule.rate(of, self._lr, step, self._steps_per_epoch, self._n_epochs)

    def _hooks(self) -> list[Callable[[list[Any]], None]]:
        """What is done before an update, in DeZero's order; a fused rule decays by itself."""
        options, hooks = self._options, list[Callable[[list[Any]], None]]()
        coupled = 0.0 if options.decoupled_decay else options.weight_decay
        decoupled = options.weight_decay if options.decoupled_decay else 0.0
        if self.is_fused:
            self.rule.decoupled_decay = decoupled
            if options.clip_grad is None:  # else the decay is part of the norm
                self.rule.decay, coupled = coupled, 0.0
        if coupled:
            hooks.append(dezero.optimizers.WeightDecay(coupled))
        if options.clip_grad is not None:
            hooks.append(ClipGrad(options.clip_grad))
        if decoupled and not self.is_fused:
            name = self._needed_rate_name("decoupled_decay")
            hooks.append(lambda parameters: self._decay(parameters, name, decoupled))
        return hooks

    def _decay(self, parameters: list[Any], rate_name: str, decay: float) -> None:
        keep = 1 - float(getattr(self.rule, rate_name)) * decay
        for parameter in parameters:
            parameter.data *= keep

    def _needed_rate_name(self, option: str) -> str:
        if self._rate_name is None:
            raise self._refused(f"{option} needs its learning rate, an attribute named lr or alpha")
        return self._rate_name

    def _refused(self, why: str) -> ConfigError:
        return ConfigError(f"optimizer._target_={self._target}: {why}")

    def _try_out(self) -> None:
        parameters = named_parameters(self._model).values()
        kept = [(p, p.data, p.data.copy(), p.grad) for p in parameters]
        before = {name: p.data for name, p in named_parameters(self._model).items()}
        rule = self._make()
        rule.setup(self._model)
        at_start = optimizer_state.marks(rule, self._model)
        try:
            for _ in range(2):
                for parameter in parameters:
                    parameter.grad = Variable(parameter.data * 0 + parameter.data.dtype.type(1e-3))
                rule.update()
            for name, parameter in named_parameters(self._model).items():
                self._check_array(name, parameter, before[name])
            optimizer_state.state(rule, self._model, at_start)
        finally:
            for parameter, array, values, gradient in kept:
                array[...] = values
                parameter.data, parameter.grad = array, gradient

    def _check_array(self, name: str, parameter: Any, before: Array) -> None:
        """Refuse a rule that makes a weight of another type or shape, which no kernel takes."""
        now, was = (f"{array.dtype} {array.shape}" for array in (parameter.data, before))
        if now != was:
            raise self._refused(
                f"its update makes {name} {now}, and it was {was}: write param.data -= ..., which"
                " keeps the array"
            )


class ClipGrad:
    """`dezero.optimizers.ClipGrad`, with its bits, that never waits for a GPU to read the norm.

    Parameters
    ----------
    max_norm
        The largest norm that all gradients together may have.
    """

    def __init__(self, max_norm: float) -> None:
        self.max_norm = max_norm

    def __call__(self, parameters: list[Any]) -> None:
        if not parameters:
            return
        xp = dezero.cuda.get_array_module(parameters[0].data)
        total: Array = sum((p.grad.data**2).sum() for p in parameters)
        rate = self.max_norm / (xp.sqrt(total.astype(np.float64)) + 1e-6)
        rate = xp.where(rate < 1, rate, 1.0)  # 1 where the norm is no number, as in DeZero
        for parameter in parameters:
            parameter.grad.data *= rate.astype(parameter.grad.data.dtype)


def _class(target: str) -> Any:
    found = parts.imported("optimizer", target)
    if not isinstance(found, type):
        raise ConfigError(f"optimizer._target_={target}: it is no class")
    return found


def _divided(
    signature: inspect.Signature, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], Options]:
    """The arguments of the class with this signature, and the options.

    An option that is also an argument of the class, such as a `weight_decay` of its own, is the
    class's alone.
    """
    names = signature.parameters
    options = {field.name for field in fields(Options)} - set(names)
    arguments = {name: value for name, value in settings.items() if name not in options}
    if "lr" in arguments and "lr" not in names and "alpha" in names:
        arguments["alpha"] = arguments.pop("lr")  # as DeZero's Adam calls it
    return arguments, Options(**{name: settings[name] for name in options if name in settings})
