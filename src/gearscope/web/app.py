"""Routes, the page's files and the guard, put together. No torch."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from gearscope.artifact import package_versions
from gearscope.errors import GearscopeError
from gearscope.graph.text import printable
from gearscope.web.config import ServeConfig, data_folder
from gearscope.web.engine import BusyError, Engine, StoppedError
from gearscope.web.guard import Guard
from gearscope.web.routes import build_routes
from gearscope.web.shelf import Shelf

STATIC = Path(__file__).parent / "static"
"""The built page; made from `frontend/` when the package is built."""
PLACEHOLDER = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>gearscope</title>
<h1>gearscope was installed without its page</h1>
<p>The interface under <code>/api</code> works. To build the page, run <code>python frontend/node.py build</code> in the
repository, or install gearscope again.</p></html>
"""
_STATUS = ((BusyError, 409), (StoppedError, 409))


def build_app(
    config: ServeConfig, *, token: str, port: int, engine: Engine | None = None, static: Path = STATIC
) -> Guard:
    """The guarded application for one server that listens on `port`. Raises ArtifactError when nothing is served."""
    shelf = Shelf(config.source, config.limits, keep_in=data_folder())
    app = FastAPI(
        title="gearscope",
        version=package_versions().get("gearscope", "0"),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.include_router(build_routes(shelf, engine or Engine(config.engine, config.limits), config.limits))
    _add_errors(app)
    if (static / "index.html").is_file():
        app.mount("/", StaticFiles(directory=static, html=True), name="page")
    else:
        app.add_api_route("/", lambda: HTMLResponse(PLACEHOLDER), methods=["GET"], include_in_schema=False)
    return Guard(
        app,
        token=token,
        hosts=allowed_hosts(config.host, port),
        cookie=f"gearscope_{port}",
        body_bytes=config.limits.body_bytes,
    )


def allowed_hosts(host: str, port: int) -> frozenset[str]:
    """`Host` headers that are answered: the loopback's names and the name given, with the port."""
    named = f"[{host}]" if ":" in host and not host.startswith("[") else host
    names = {"127.0.0.1", "localhost", "[::1]", named.lower()} - {"0.0.0.0", "[::]"}
    with_port = {f"{name}:{port}" for name in names}
    return frozenset(with_port | (names if port == 80 else set()))


def _add_errors(app: FastAPI) -> None:
    """Every mistake is one sentence in JSON."""

    async def mistake(_: Request, error: Exception) -> Response:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
        return _problem(status, str(error))

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _problem(error.status_code, str(error.detail))

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        said = [f"{'.'.join(map(str, e['loc'][1:])) or 'body'}: {e['msg']}" for e in error.errors()]
        return _problem(422, f"a valid request was expected; found {', '.join(said)[:400]}.")

    async def bug(_: Request, error: Exception) -> Response:
        return _problem(500, f"this is a mistake in gearscope: {type(error).__name__}: {error}"[:400])

    handlers: list[tuple[type[Exception], Callable]] = [
        (GearscopeError, mistake),
        (HTTPException, refused),
        (RequestValidationError, invalid),
        (Exception, bug),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def _problem(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": printable(sentence)}, status)
