"""The state that a lifespan has set up for handlers, found by type."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast

from jobsvalkey.contract import ConfigurationError
from jobsvalkey.runtime.values.annotations import bare, fields_of, name_of_type
from jobsvalkey.runtime.values.pydantic_models import is_model

T = TypeVar("T")


class _Given:
    def __repr__(self) -> str:
        return "GIVEN"


GIVEN: Final[Any] = _Given()
"""The default of a parameter that a task is given when it runs, and that is not pushed."""


class State:
    """The object that a lifespan has yielded: asked for by its own type, or by those of its fields."""

    def __init__(self, value: object = None) -> None:
        self._value = value
        self._found: dict[Any, Any] = {}

    def find(self, kind: type[T]) -> T:
        """Return the object itself, or the one of its fields, that is of a type.

        A field that is declared with this very type comes first, by the name of a `NewType` or the metadata of an
        `Annotated` too; then what is an instance of it.

        Raises:
            ConfigurationError: there is none, or more than one.
        """
        try:
            return self._found[kind]
        except KeyError:
            found = self._found[kind] = self._look_for(kind)
            return found
        except TypeError:  # an annotation that cannot be hashed
            return self._look_for(kind)

    def _look_for(self, kind: Any) -> Any:
        value, wanted = self._value, name_of_type(kind)
        if value is None:
            raise ConfigurationError(
                f"there is no state, and so no {wanted}: give the service a lifespan that yields it, or a processor, "
                "run_until_idle or JobContext.for_test its state="
            )
        own = cast("type[Any]", type(value))
        if kind == own:
            return value
        declared = declared_fields(own)
        names = [name for name, annotation in declared.items() if kind == annotation]
        if not names:
            kind = bare(kind)
            names = [name for name, annotation in declared.items() if kind == bare(annotation)]
        if not names:
            if _is_instance(value, kind):
                return value
            names = [name for name in declared if _is_instance(getattr(value, name), kind)]
        if len(names) == 1:
            return getattr(value, names[0])
        if names:
            raise ConfigurationError(
                f"the state {own.__qualname__} has several fields of the type {wanted} ({', '.join(names)}): "
                f"ask for {own.__qualname__} itself"
            )
        among = f", nor any of its fields ({', '.join(declared)})" if declared else ""
        raise ConfigurationError(f"the state {own.__qualname__} is no {wanted}{among}")


def declared_fields(kind: Any) -> Mapping[str, Any]:
    """Return the fields of a class, with their annotations: a dataclass, a NamedTuple, or one of attrs or the like."""
    if is_model(kind):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    return fields_of(kind)


def _is_instance(value: object, kind: Any) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:  # such as a protocol that cannot be asked, or list[int]
        return False
