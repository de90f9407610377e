"""The command that says whether this installation works, and what it could have more."""

import json
from typing import Annotated, Any

from rich.table import Table
from typer import Exit, Option

from ser_plugins.cli import app
from ser_plugins.cli.output import complain, show, table_signs, write
from ser_plugins.plain import counted, terminal


@app.command()
def doctor(as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False):
    """Say whether all works here: versions, devices, ffmpeg, extras, the models in the package.

    Every model judges a synthetic recording. The exit code is 1 when something that is needed is missing or broken;
    extras, and ffmpeg, are not needed. Nothing is fetched or sent.

    Example: [cyan]ser doctor[/cyan]
    """
    from ser_plugins.cli.health import DISTRIBUTION, health

    found = health()
    if as_json:
        write([json.dumps(found, indent=2) + "\n"])
    else:
        show(_facts(found))
        show(_extras(found["extras"]))
        show(f'To add one: pip install "{DISTRIBUTION}[NAME]"')
    for problem in found["problems"]:
        complain(problem)
    if found["problems"]:
        raise Exit(1)


def _facts(found: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    _, none = table_signs()
    versions = dict(found["versions"])
    main = [f"{name} {versions.pop(name)}" for name in ("ser_plugins", "python", "torch", "torchaudio", "speechbrain")]
    machine = found["machine"]
    memory = "memory unknown" if machine["memory_gb"] is None else f"{machine['memory_gb']} GB"
    rows = {
        "versions": ", ".join(main),
        "beside": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "ffmpeg": found["ffmpeg"] or f"{none} (m4a, webm, videos: install ffmpeg, or the extra video)",
        "machine": ", ".join((machine["system"], machine["processor"], counted(machine["cores"], "core"), memory)),
    }
    if "devices" in machine:
        rows["devices"] = f"{', '.join(machine['devices'])}; {counted(machine['threads'], 'thread')} (OMP_NUM_THREADS)"
    for name, model in found["models"].items():
        works = f"works: {model['said']} {model['probability']:.0%}" if "said" in model else "does not work"
        rows[f"model {name}"] = works
    for name, text in rows.items():
        table.add_row(name, terminal(text))
    return table


def _extras(extras: dict[str, Any]) -> Table:
    table = Table("extra", "adds", "is there")
    for name, extra in extras.items():
        state = "yes" if not extra["lacks"] else f"lacks {', '.join(extra['lacks'])}"
        table.add_row(name, extra["adds"], terminal(state))
    return table
