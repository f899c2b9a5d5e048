"""Options that belong together, as one record: a command takes the record, the command line shows its fields."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints


def expand_records(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command for typer: parameters whose type is a dataclass are replaced by one option for each of its fields."""
    hints = get_type_hints(command, include_extras=True)
    records = {name: kind for name, kind in hints.items() if is_dataclass(kind) and isinstance(kind, type)}
    own = [each for name, each in inspect.signature(command).parameters.items() if name not in records]
    parameters = [each.replace(annotation=hints[each.name]) for each in own]
    for kind in records.values():
        parameters += _parameters_of(kind)

    def run(**values: Any) -> Any:  # noqa: ANN401 - whatever the options hold
        arguments = {
            name: kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            for name, kind in records.items()
        }
        return command(**values, **arguments)

    run.__doc__ = command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {}
    return run


def _parameters_of(kind: type) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]
