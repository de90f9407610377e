"""Commands that serve a model to others, and to its own page."""

from typing import Annotated

from typer import Option

from ser_plugins.cli import app
from ser_plugins.cli.recordings import Model
from ser_plugins.errors import SerError

Host = Annotated[str, Option(help="Address to listen on; the default is reached from this machine only.")]
Port = Annotated[int, Option(min=1, max=65535)]
Megabytes = Annotated[float, Option(min=0.001, help="Largest body, in MiB.")]
Seconds = Annotated[float, Option(min=0.1, help="Longest recording, in s.")]
Timeout = Annotated[float, Option(min=0.1, help="Longest wait for a reply, in s.")]


@app.command()
def serve(
    model: Model = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    megabytes: Megabytes = 16,
    seconds: Seconds = 60,
    timeout: Timeout = 30,
    queue: Annotated[int, Option(min=1, help="Requests in flight; further ones get 429.")] = 128,
    batch: Annotated[int, Option(min=1, help="Recordings judged at once.")] = 16,
):
    """Serve a model over HTTP: POST /classify, /timeline, /attention; GET /health, /model, /docs.

    Needs pip install "ser-plugins[serve]". SIGTERM and Ctrl-C answer what was accepted, then stop.

    Example: [cyan]ser serve --model models/emodb --port 8000[/cyan]
    """
    _run(model, host, port, {"audio": seconds, "timeout": timeout, "queue": queue, "batch": batch}, megabytes)


@app.command()
def demo(
    model: Model = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    megabytes: Megabytes = 16,
    seconds: Seconds = 60,
):
    """Open a page to try a model on: record or drop a file. Nothing is stored, nothing leaves the machine.

    Needs pip install "ser-plugins[demo]".

    Example: [cyan]ser demo --model models/emodb[/cyan]
    """
    _run(model, host, port, {"audio": seconds}, megabytes, page=True)


def _run(folder, host, port, limits, megabytes, page=False):
    try:
        from ser_plugins.serving.service import LOOPBACK, Limits, create_app, run_app
    except ModuleNotFoundError as error:
        raise SerError(
            got=f"no module {error.name}",
            expected="FastAPI and uvicorn",
            remedy='pip install "ser-plugins[serve]"',
        ) from None
    from ser_plugins.inference import BOX, open_model

    model, card = open_model(folder), (folder or BOX) / "README.md"
    limits = Limits(body=round(megabytes * 2**20), **limits)
    hosts = LOOPBACK if host in LOOPBACK else None
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    service = create_app(model, card=text, limits=limits, hosts=hosts, page=page)
    print(f"http://{host}:{port}/{'' if page else 'docs'}  (Ctrl-C stops)", flush=True)
    run_app(service, host, port, limits.timeout)
