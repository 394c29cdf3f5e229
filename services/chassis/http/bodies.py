"""What a route takes as a body."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class Body(BaseModel):
    """A field that nobody knows is refused: misspelt, it would be left out, and what it should have set would be wiped.

    An answer may be sent back changed: what only answers tell is passed over.
    """

    model_config = ConfigDict(extra="forbid")

    only_told: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_what_only_answers_tell(cls, body: object) -> object:
        return (
            {name: value for name, value in body.items() if name not in cls.only_told}
            if isinstance(body, dict)
            else body
        )
