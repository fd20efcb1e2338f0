"""The signature of a task's function: what of it is pushed, as one struct, and what is given when it runs."""

import inspect
import sys
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

import msgspec

from jobsvalkey.contract import ConfigurationError, InvalidParameters
from jobsvalkey.runtime.context import JobContext
from jobsvalkey.runtime.state import GIVEN
from jobsvalkey.runtime.values.annotations import bare, members

_KINDS_OF_MANY = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class TaskSignature:
    """A function's signature, taken apart once."""

    name: str
    """Of the job, for messages."""
    whole: Signature
    pushed: Signature
    """The parameters that are pushed."""
    struct: type[msgspec.Struct]
    """The type of what is stored: a field for each parameter that is pushed, by its name, with its default."""
    given: Mapping[str, Any]
    """The types of those that are given, by their names."""
    positional_only: tuple[str, ...]
    by_position: tuple[str, ...]
    """Those of `pushed` that may be passed by position."""
    returns: Any
    """The type that the function declares to return; `Any` if it declares none."""

    @property
    def state(self) -> Mapping[str, Any]:
        """The part of `given` that comes from the state."""
        return {name: kind for name, kind in self.given.items() if kind is not JobContext}

    def pack(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> msgspec.Struct:
        """Return the arguments of a push as one value, with the defaults of those that are left out.

        Raises:
            InvalidParameters: the function does not take them.
        """
        if not self.positional_only and len(args) <= len(self.by_position):
            try:
                return self.struct(**dict(zip(self.by_position, args, strict=False)), **kwargs)
            except TypeError:
                pass  # `bind` is slower, and says what is wrong
        for name in self.given.keys() & kwargs.keys():
            raise InvalidParameters(f"{name!r} is given to task {self.name!r} when it runs, and is not pushed")
        try:
            bound = self.pushed.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidParameters(
                f"task {self.name!r} is not pushed with these arguments: {error}; it takes {self.pushed}"
            ) from None
        return self.struct(**bound.arguments)

    def unpack(self, packed: object, context: JobContext) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a call: what was pushed, and what is given.

        Raises:
            ConfigurationError: the state lacks what is to be given.
        """
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for name in self.whole.parameters:
            value: Any
            if name not in self.given:
                value = getattr(packed, name)
            elif (kind := self.given[name]) is JobContext:
                value = context
            else:
                value = context.state_of(kind)
            if name in self.positional_only:
                args.append(value)
            else:
                kwargs[name] = value
        return args, kwargs

    def check_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Check a call of the function by itself, to which nothing is given.

        Raises:
            TypeError: one that is marked as given is left out.
        """
        try:
            bound = self.whole.bind(*args, **kwargs).arguments
        except TypeError:
            return  # The function says so itself.
        for name in self.given:
            if name not in bound and self.whole.parameters[name].default is GIVEN:
                how = "JobContext.for_test()" if self.given[name] is JobContext else "..."
                raise TypeError(f"task {self.name!r} is called by itself: pass what a worker would give, {name}={how}")


def read_signature(function: Callable[..., Any], name: str, state_types: Collection[Any]) -> TaskSignature:
    """Take a function's signature apart.

    A parameter is given, and not pushed, if its default is `GIVEN`, or its type is `JobContext` or one of
    `state_types`; `X | None` counts as `X`.

    Raises:
        ConfigurationError: a parameter cannot be pushed; the message says what to write.
    """
    signature, hints = _signature_of(function, name), _hints_of(function, name)
    given: dict[str, Any] = {}
    pushed: list[Parameter] = []
    for parameter in signature.parameters.values():
        annotation = hints.get(parameter.name, Parameter.empty)
        _check(parameter, annotation, name)
        kind = _without_none(annotation)
        if bare(kind) is JobContext:
            given[parameter.name] = JobContext
        elif parameter.default is GIVEN or _is_among(bare(kind), state_types):
            given[parameter.name] = kind
        else:
            pushed.append(parameter.replace(annotation=annotation))
    title = name if name.isidentifier() else "parameters"
    try:
        struct = msgspec.defstruct(title, [_field(each) for each in pushed], kw_only=True, frozen=True)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the parameters of task {name!r} cannot be pushed: {error}") from error
    only = tuple(each.name for each in signature.parameters.values() if each.kind is Parameter.POSITIONAL_ONLY)
    by_position = tuple(each.name for each in pushed if each.kind is not Parameter.KEYWORD_ONLY)
    return TaskSignature(name, signature, Signature(pushed), struct, given, only, by_position, hints.get("return", Any))


def types_of_state(kind: Any, fields: Mapping[str, Any]) -> frozenset[Any]:
    """Return the types by which a parameter is known to be given: that of a state, and those of its fields.

    Types that come with Python, such as `str`, say too little: they are left out.
    """
    kinds = [bare(_without_none(each)) for each in (kind, *fields.values())]
    return frozenset(
        each
        for each in kinds
        if isinstance(each, type) and each.__module__.split(".")[0] not in sys.stdlib_module_names
    )


def _signature_of(function: Callable[..., Any], name: str) -> Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the function of task {name!r} does not tell its parameters: {error}") from error


def _hints_of(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(function), include_extras=True)
    except NameError as error:
        raise ConfigurationError(
            f"an annotation of task {name!r} cannot be looked up: {error}; import or define it at the top of the "
            "module, and not below `if TYPE_CHECKING`"
        ) from error
    except TypeError as error:
        raise ConfigurationError(f"the annotations of task {name!r} cannot be read: {error}") from error


def _check(parameter: Parameter, annotation: Any, name: str) -> None:
    if parameter.kind in _KINDS_OF_MANY:
        raise ConfigurationError(
            f"task {name!r} takes {parameter}, and what is pushed has a name and a type each: name its parameters, "
            "or take a list or a dict"
        )
    if annotation is not Parameter.empty:
        return
    if parameter.name in ("self", "cls"):
        raise ConfigurationError(
            f"task {name!r} is a method, and nobody could say of which object: use a function, or register the "
            "method of an object, queue.task(object.method)"
        )
    raise ConfigurationError(f"parameter {parameter.name!r} of task {name!r} has no type: annotate it")


def _without_none(annotation: Any) -> Any:
    """Return `X` of `X | None`; other types as they are, with the names and metadata that tell them apart."""
    if len(members(annotation)) != 2 or type(None) not in members(annotation):
        return annotation
    return next(each for each in typing.get_args(bare(annotation)) if each is not type(None))


def _is_among(kind: Any, kinds: Collection[Any]) -> bool:
    return isinstance(kind, type) and kind in kinds  # other annotations need not be hashable


def _field(parameter: Parameter) -> Any:
    if parameter.default is Parameter.empty:
        return parameter.name, parameter.annotation
    default = parameter.default
    # By a factory, since a default may be mutable: then it is one object, as it is in a call.
    return parameter.name, parameter.annotation, msgspec.field(default_factory=lambda: default)
