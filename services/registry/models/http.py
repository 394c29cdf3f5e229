"""`/api/v1/models`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Self, TypeAlias

from fastapi import APIRouter
from fastapi import Path as Parameter
from pydantic import AfterValidator, Field, model_validator

from contracts.fields import Text32
from contracts.vocabulary import KINDS
from services.chassis.clock import Clock
from services.chassis.http import Access, Body, ById, Page, Problem
from services.registry.domain.model import DEFAULT, Model, Path, Promise, silent_after_s
from services.registry.models.store import ModelStore
from services.registry.roles import Anyone, Ops

ModelName: TypeAlias = Annotated[str, Parameter(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f/]+$")]


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError("not a kind of alarm; contracts/vocabulary.py and the API documents list them")
    return kind


class Trigger(Body):
    """What calls with the unit, to be tried before it goes live: any of this kind, or the one of this id."""

    kind: Annotated[str, Field(max_length=64), AfterValidator(_known)]
    peripheral_id: Annotated[Text32 | None, Field(min_length=1)] = None


class ModelBody(Body):
    """What a model promises. An unknown field is refused; an answer may be sent back changed."""

    only_told = frozenset({"model", "changed_at", "changed_by"})

    heartbeat_interval_s: Annotated[int, Field(ge=1, le=7 * 86400)]
    late_after_missed: Annotated[int, Field(ge=1, le=100)] = 3
    silent_after_s: Annotated[
        int | None, Field(ge=1, le=30 * 86400, description="Left out: thrice as late as late, 600 at least.")
    ] = None
    battery_hours: Annotated[int | None, Field(ge=1, le=1000)] = None
    signal_dbm_min: Annotated[int | None, Field(ge=-200, le=0)] = None
    paths: Annotated[list[Path], Field(max_length=3, description="mobile is lte, umts, gsm, nb_iot.")] = Field(
        default_factory=list
    )
    triggers: Annotated[list[Trigger], Field(max_length=64)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _late_first_silent_then(self) -> Self:
        late_s = self.heartbeat_interval_s * self.late_after_missed
        if self.silent_after_s is None and late_s <= 10 * 86400:
            self.silent_after_s = silent_after_s(self.heartbeat_interval_s, self.late_after_missed)
        if self.silent_after_s is None or self.silent_after_s < late_s:
            raise ValueError(f"silent_after_s comes before the device is even late, which is after {late_s} s")
        return self

    def promise(self) -> Promise:
        fields: dict[str, Any] = self.model_dump()
        return Promise(**fields | {"paths": list(dict.fromkeys(self.paths))})


def routes(models: ModelStore, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1/models", tags=["models"])

    @router.get("")
    async def list_models(_who: Anyone, paging: ById) -> Page[Model]:
        """All models, in order of their names; `default` stands for every model that has no row of its own."""
        return paging.page(await models.page(paging.after_id, paging.fetch), key=lambda each: (None, each.model))

    @router.get("/{model}")
    async def get_model(model: ModelName, _who: Anyone) -> Model:
        """What a model promises; its name's case does not matter."""
        return _existing(await models.get(model), model)

    @router.put("/{model}")
    async def put_model(model: ModelName, body: ModelBody, who: Ops) -> Model:
        """Write down what a model promises; its devices are judged by it from now on."""
        return await models.put(model.strip(), body.promise(), actor=who.name, now=clock.now())

    @router.delete("/{model}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_model(model: ModelName, _who: Ops) -> None:
        """Forget a model, if it is there: its devices are judged by `default`, which itself stays."""
        if model.lower() == DEFAULT:
            raise Problem(
                HTTPStatus.CONFLICT, "The default stands for every model that has no row; it can only be changed."
            )
        await models.delete(model)

    return router


def _existing(found: Model | None, model: str) -> Model:
    if found is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, f"Nothing is written of the model {model}: the row `default` stands for it."
        )
    return found
