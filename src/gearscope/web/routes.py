"""The API: one function per question. Every mistake comes back as one sentence in JSON. No torch.

GET  /api/about                       what this server is
GET  /api/graphs                      the shelf
GET  /api/graphs/{id}?node=&edge=     a graph at thresholds
GET  /api/graphs/{id}/node?id=        a node's connections and token effects
POST /api/graphs/{id}/flows           what boxes of nodes send to each other
PUT  /api/graphs/{id}/notes           pins, groups and labels into the file
GET  /api/graphs/{id}/file|text|picture   the graph to take away
POST /api/graphs/{id}/intervene       edits: predicted, measured, control
POST /api/trace                       a new graph
GET  /api/job, DELETE /api/job        what the engine does; stop it
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool

from gearscope.artifact import package_versions
from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.notes import Notes
from gearscope.graph.picture import draw
from gearscope.graph.text import describe, printable
from gearscope.interventions.result import Intervention
from gearscope.web import schemas, views
from gearscope.web.config import Limits
from gearscope.web.engine import Engine
from gearscope.web.shelf import Opened, Shelf

T = TypeVar("T")
Share = Annotated[float | None, Query(ge=0, le=1)]
_LOOK_EVERY = 0.25
"""Seconds between two looks whether the page that asked is still there."""


def build_routes(shelf: Shelf, engine: Engine, limits: Limits) -> APIRouter:
    """All questions about this shelf and this engine."""
    api = APIRouter(prefix="/api", responses={400: {"model": schemas.Problem}})
    _add_reading(api, shelf, engine, limits)
    _add_taking_away(api, shelf)
    _add_working(api, shelf, engine)
    return api


def _add_reading(api: APIRouter, shelf: Shelf, engine: Engine, limits: Limits) -> None:
    @api.get("/about")
    def about() -> schemas.About:
        return schemas.About(
            version=package_versions().get("gearscope", "0"),
            model=printable(engine.model),
            basis=printable(engine.config.basis),
            loaded=engine.loaded,
            prompt_characters=limits.prompt_characters,
        )

    @api.get("/graphs")
    def graphs() -> schemas.Shelf:
        return shelf.listed()

    @api.get("/graphs/{id}")
    def graph(id: str, node: Share = None, edge: Share = None) -> schemas.GraphView:
        found = shelf.open(id)
        shown = views.at_thresholds(found.graph, node, edge)
        return views.graph_view(found.graph, shown, found.card, limits, traced_here=engine.made(found.graph))

    @api.get("/graphs/{id}/node")
    def node(
        id: str,
        name: Annotated[str, Query(alias="id", max_length=400)],
        node: Share = None,
        edge: Share = None,
    ) -> schemas.NodeView:
        found = shelf.open(id)
        shown = views.at_thresholds(found.graph, node, edge)
        # a node that the slider has dropped is shown with its connections in the whole file
        return views.node_view(shown if name in shown.nodes else found.graph, name, limits)

    @api.post("/graphs/{id}/flows")
    def flows(id: str, wanted: schemas.Boxes) -> list[schemas.Flow]:
        return views.flows(views.at_thresholds(shelf.open(id).graph, wanted.node, wanted.edge), wanted.boxes)


def _add_taking_away(api: APIRouter, shelf: Shelf) -> None:
    @api.get("/graphs/{id}/file")
    def file(id: str) -> FileResponse:
        path = shelf.open(id).path
        return FileResponse(path, media_type="application/json", filename=path.name)

    @api.get("/graphs/{id}/text")
    def text(id: str) -> PlainTextResponse:
        return PlainTextResponse(describe(shelf.open(id).graph))

    @api.get("/graphs/{id}/picture")
    def picture(id: str) -> Response:
        found = shelf.open(id)
        headers = {"content-disposition": f'attachment; filename="{found.card.id}.svg"'}
        return Response(draw(found.graph), media_type="image/svg+xml", headers=headers)


def _add_working(api: APIRouter, shelf: Shelf, engine: Engine) -> None:
    @api.put("/graphs/{id}/notes")
    def notes(id: str, wanted: schemas.NotesIn) -> schemas.Card:
        made = Notes(
            pinned=tuple(wanted.pinned), supernodes=views.supernodes(wanted.groups), labels=dict(wanted.labels)
        )
        return shelf.annotate(id, made, modified=wanted.modified).card

    @api.get("/job")
    def job() -> schemas.Job | None:
        return engine.job

    @api.delete("/job", status_code=204)
    def stop() -> None:
        engine.stop()

    @api.post("/trace")
    async def trace(request: Request, wanted: schemas.TraceIn) -> schemas.Card:
        def work(gone: Callable[[], bool]) -> Opened:
            return shelf.add(engine.trace(wanted, gone), wanted.prompt)

        return (await _while_wanted(request, work)).card

    @api.post("/graphs/{id}/intervene")
    async def intervene(request: Request, id: str, wanted: schemas.InterveneIn) -> Intervention:
        def work(gone: Callable[[], bool]) -> Intervention:
            return engine.intervene(_with_groups(shelf.open(id).graph, wanted), wanted, gone)

        return await _while_wanted(request, work)


def _with_groups(graph: AttributionGraph, wanted: schemas.InterveneIn) -> AttributionGraph:
    names = [group.name for group in wanted.groups]
    if len(set(names)) < len(names):
        raise GraphError("groups of different names were expected", found="the same name twice")
    return replace(graph, supernodes=views.supernodes(wanted.groups))


async def _while_wanted(request: Request, work: Callable[[Callable[[], bool]], T]) -> T:
    """Do the work in a thread of its own; `work` is given a question: is the page that asked gone?"""
    gone = threading.Event()

    async def watch() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(_LOOK_EVERY)
        gone.set()

    watcher = asyncio.create_task(watch())
    try:
        return await run_in_threadpool(work, gone.is_set)
    finally:
        watcher.cancel()
