"""Facts about pydantic's models, without an import of pydantic for those who do not use it."""

import sys
from collections.abc import Iterator
from typing import Any, Literal, cast, get_origin

from jobsvalkey.contract.option_types import with_article
from jobsvalkey.runtime.values.annotations import bare, members, name_of_type

SECRETS_ADVICE = "which is written as asterisks: use str, and keep secrets out of the queue"


def is_model(kind: Any) -> bool:
    """Return whether `kind` is a class of pydantic models."""
    return isinstance(kind, type) and hasattr(kind, "model_validate_json") and hasattr(kind, "model_fields")


def is_secret(kind: Any) -> bool:
    """Return whether values of `kind` show asterisks in place of what they hold."""
    return isinstance(kind, type) and hasattr(kind, "get_secret_value")


def dump_json(model: Any) -> bytes:
    """Return a model as JSON. Without computed fields: they are computed again."""
    return model.__pydantic_serializer__.to_json(model, by_alias=True, round_trip=True, warnings=False)


def unwritable_field(model: Any) -> str | None:
    """Return the name of a field that cannot be written as JSON, if there is one."""
    kind = cast("Any", type(model))
    for name in kind.model_fields:
        try:
            model.__pydantic_serializer__.to_json(model, include={name}, round_trip=True, warnings=False)
        except Exception:
            return name
    return None


def dump(model: Any) -> Any:
    """Return a model's fields by their names on the wire, each as it is."""
    return model.model_dump(by_alias=True, round_trip=True, warnings=False)


def as_json_value(value: Any) -> Any:
    """Return the fields of a model, or what pydantic writes for a value that only it knows, such as a URL.

    Raises:
        Unwritable: neither does pydantic, or the value shows asterisks, or is gone once it was read.
    """
    kind = cast("Any", type(value))
    if is_model(kind):
        return dump(value)
    if is_secret(kind):
        raise Unwritable(kind, SECRETS_ADVICE)
    core = sys.modules.get("pydantic_core")
    if core is not None and not isinstance(value, Iterator):
        try:
            return core.to_jsonable_python(value)
        except Exception:  # noqa: S110 - said below
            pass
    raise Unwritable(kind)


class Unwritable(TypeError):
    """No value of this type can be written."""

    def __init__(
        self, kind: type[Any], why: str = "which cannot be written as JSON: push plain values in its place"
    ) -> None:
        super().__init__(f"{with_article(name_of_type(kind))}, {why}")


def describe(error: Exception) -> str:
    """Return what an error of a decoder says, in one line; of pydantic's errors, each field with what is wrong."""
    found = cast("Any", error.__cause__ or error)  # msgspec raises an error of its own from pydantic's
    if type(found).__name__ != "ValidationError" or not hasattr(found, "title"):
        return str(error) or type(error).__name__
    return "; ".join(
        f"{'.'.join(map(str, (found.title, *each['loc'])))}: {each['msg']}"
        for each in found.errors(include_url=False, include_context=False, include_input=False)
    )


def wire_name(name: str, field: Any) -> str:
    """Return the key under which a field is written."""
    return field.serialization_alias or name


def has_own_serializer(model: Any, name: str) -> bool:
    """Return whether a function decides how this field is written, whatever its type is."""
    decorators = model.__pydantic_decorators__
    if decorators.model_serializers:
        return True
    named = (each.info.fields for each in decorators.field_serializers.values())
    if any(name in fields or "*" in fields for fields in named):
        return True
    return any(type(each).__name__.endswith("Serializer") for each in model.model_fields[name].metadata)


def check_fields(model: Any) -> None:
    """Check that all fields of a model are written, under names by which they are read.

    Raises:
        TypeError: one is not; the message names it.
    """
    for name, field in model.model_fields.items():
        place = f"{model.__qualname__}.{name}"
        if field.exclude:
            raise TypeError(f"{place} is excluded when the model is written, so it would not arrive: take exclude away")
        written, read = wire_name(name, field), set(_names_read(model, name, field))
        if written not in read:
            raise TypeError(
                f"{place} is written as {written!r} and read as {' or '.join(map(repr, sorted(read)))}: give it one "
                "alias=, or let the model read both (validation_alias=AliasChoices(...))"
            )
        if not has_own_serializer(model, name):
            for kind in _kinds_in(field.annotation):
                if is_secret(kind):
                    raise TypeError(
                        f"{place} is {with_article(name_of_type(kind))}, {SECRETS_ADVICE}, "
                        "or give it a field_serializer that writes it"
                    )


def _names_read(model: Any, name: str, field: Any) -> Iterator[str]:
    config = model.model_config
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    alias = field.validation_alias
    if alias is None or by_name:
        yield name
    if alias is None or config.get("validate_by_alias") is False:
        return
    for choice in getattr(alias, "choices", (alias,)):
        path = getattr(choice, "path", (choice,))
        yield path[0] if len(path) == 1 else ".".join(map(str, path))


def is_pydantic_dataclass(kind: Any) -> bool:
    """Return whether `kind` is a dataclass that pydantic validates."""
    return (
        isinstance(kind, type) and "__pydantic_validator__" in kind.__dict__ and hasattr(kind, "__dataclass_fields__")
    )


def models_in(annotation: Any) -> Iterator[Any]:
    """Iterate over the models among the members of an annotation and their arguments."""
    for member in members(annotation):
        if is_model(member):
            yield member
        for argument in getattr(bare(member), "__args__", ()):
            yield from models_in(argument)


def _kinds_in(annotation: Any) -> Iterator[Any]:
    for member in members(annotation):
        yield get_origin(member) or member
        for argument in getattr(bare(member), "__args__", ()):
            yield from _kinds_in(argument)


def is_literal(annotation: Any) -> bool:
    """Return whether `annotation` lists the values that it allows."""
    return get_origin(annotation) is Literal
