"""Commands that serve a model to others, and to its own page."""

import sys
from typing import Annotated

from typer import Option

from ser_plugins.cli import app
from ser_plugins.cli.recordings import AnySound, Model
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
    total_megabytes: Annotated[float, Option(min=0.001, help="Bodies of all requests together, in MiB.")] = 128,
    connections: Annotated[int, Option(min=1, help="Open connections; then the longest idle one is closed.")] = 512,
    work: Annotated[float, Option(min=1, help="Audio to judge for one request, its windows added up, in s.")] = 600,
    streams: Annotated[int, Option(min=1, help="Open WebSockets; further ones are refused.")] = 16,
    stream_seconds: Annotated[float, Option(min=1, help="Longest stream, in s.")] = 3600,
    jobs: Annotated[int, Option(min=1, help="Long recordings that wait, run, or whose result is kept.")] = 8,
    job_megabytes: Annotated[float, Option(min=0.001, help="Largest of them, in MiB.")] = 256,
    job_seconds: Annotated[float, Option(min=1, help="Longest of them, in s.")] = 14400,
    access_log: Annotated[bool, Option(help="Write a line for every request; nothing of recordings.")] = False,
    any_sound: AnySound = False,
):
    r"""Serve a model over HTTP: POST /classify, /timeline, /attention, /jobs; WS /stream; GET /model, /docs.

    Needs pip install "ser-plugins\[serve]". SIGTERM and Ctrl-C answer what was accepted, then stop.

    Example: [cyan]ser serve --model models/emodb --port 8000[/cyan]
    """
    limits = {"body": _bytes(megabytes), "audio": seconds, "timeout": timeout, "queue": queue, "batch": batch}
    limits |= {"held": _bytes(total_megabytes), "connections": connections, "work": work}
    limits |= {"streams": streams, "stream": stream_seconds}
    limits |= {"jobs": jobs, "job_body": _bytes(job_megabytes), "job_audio": job_seconds}
    _run(model, host, port, limits, any_sound=any_sound, log=_log if access_log else None)


def _log(line):
    print(line, file=sys.stderr, flush=True)


@app.command()
def demo(
    model: Model = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    megabytes: Megabytes = 16,
    seconds: Seconds = 60,
):
    r"""Open a page to try a model on: record or drop a file. Nothing is kept, nothing leaves the machine.

    Needs pip install "ser-plugins\[demo]".

    Example: [cyan]ser demo --model models/emodb[/cyan]
    """
    _run(model, host, port, {"body": _bytes(megabytes), "audio": seconds}, page=True)


def _run(folder, host, port, limits, page=False, any_sound=False, log=None):
    try:
        from ser_plugins.service.app import LOOPBACK, Limits, create_app
        from ser_plugins.service.server import listening, run_app
    except ModuleNotFoundError as error:
        raise SerError(
            got=f"no module {error.name}",
            expected="FastAPI, uvicorn, websockets and python-multipart",
            remedy='pip install "ser-plugins[serve]"',
        ) from None
    from ser_plugins.inference import open_model

    limits = Limits(**limits)
    with listening(host, port) as sockets:
        model = open_model(folder, any_sound=any_sound)
        hosts = LOOPBACK if host in LOOPBACK else None
        service = create_app(model, card=model.card, limits=limits, hosts=hosts, page=page, log=log)
        address = f"[{host}]" if ":" in host else host
        print(f"http://{address}:{port}/{'' if page else 'docs'}  (Ctrl-C stops)", flush=True)
        run_app(service, sockets, limits)


def _bytes(megabytes):
    return round(megabytes * 2**20)
