"""The page to try a model on: the files of ``web/``, and the policy that lets them reach nothing but this service."""

from pathlib import Path

from fastapi import FastAPI, Response

WEB = Path(__file__).with_name("web")
TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".json": "application/json"}
# Whatever the page was made to show, it can reach nothing else.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


def add_page(app: FastAPI) -> None:
    """Serve ``index.html`` as ``/`` and the others as ``/web/NAME``.

    Arguments
    ---------
    app : FastAPI
        The service.

    Example
    -------
    >>> from fastapi.testclient import TestClient
    >>> app = FastAPI()
    >>> add_page(app)
    >>> TestClient(app).get("/web/page.css").headers["content-type"]
    'text/css; charset=utf-8'
    """
    for path in WEB.iterdir():
        app.add_api_route(
            "/" if path.name == "index.html" else f"/web/{path.name}", _answer(path), include_in_schema=False
        )


def _answer(path):
    content, kind = path.read_bytes(), f"{TYPES[path.suffix]}; charset=utf-8"

    async def answer() -> Response:
        return Response(content, media_type=kind, headers=HEADERS)

    return answer
