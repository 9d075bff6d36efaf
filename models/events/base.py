"""Base classes of event data, and the JSON in which event data is published."""

from datetime import datetime
from enum import Enum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError


class EventPart(BaseModel):
    """Part of an event's data: only documented fields, of the documented types.

    mypy checks the types where the data is built, and the tests every event that is published. Building never
    raises: values that violate the schema are kept as given. `model_validate` raises as usual.
    """

    model_config = ConfigDict(extra="forbid")

    def __init__(self, /, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError:
            # An event is built in the transaction of the change that it reports: raising would undo that.
            self.__setstate__(
                {
                    "__dict__": given,
                    "__pydantic_fields_set__": set(given),
                    "__pydantic_extra__": None,
                    "__pydantic_private__": None,
                }
            )

    # The mark of pydantic's own __init__: without it, `model_validate` would call this one, and not raise.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


class EventData(EventPart):
    """Data of one type of event."""

    event_type: ClassVar[str]


def as_json(value: Any) -> Any:
    """Return event data as JSON values. A field that was not given is left out; one that is None is null.

    Times are written with `+00:00` (pydantic would write `Z`): receivers may compare them as text.
    """
    match value:
        case EventPart():
            given = value.model_fields_set
            return {name: as_json(each) for name, each in value.__dict__.items() if name in given}
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case list():
            return [as_json(each) for each in value]
        case dict():
            return {name: as_json(each) for name, each in value.items()}
    return value
