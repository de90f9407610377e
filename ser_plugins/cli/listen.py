"""The command that listens: a bar for every emotion, as somebody speaks."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

from typer import Option

from ser_plugins.cli import app
from ser_plugins.cli.output import Interruption, complain, table_signs, write
from ser_plugins.cli.recordings import AnySound, Device, Model
from ser_plugins.errors import SerError
from ser_plugins.palette import SILENCE, colours_of
from ser_plugins.plain import console, terminal

WIDTH = 40  # characters of the longest bar


@app.command()
def listen(
    model: Model = None,
    window: Annotated[float, Option(help="Seconds that are judged at once.")] = 3.0,
    hop: Annotated[float, Option(help="Seconds from one answer to the next.")] = 1.0,
    microphone: Annotated[
        str | None, Option("--input", help="A part of the microphone's name, or its number; default: the system's.")
    ] = None,
    file: Annotated[Path | None, Option("--from", help="A recording in place of a microphone.")] = None,
    at_once: Annotated[bool, Option("--at-once", help="With --from: as fast as it can be judged.")] = False,
    as_json: Annotated[
        bool, Option("--json", help="A line of JSON for every window, as in ser serve's stream.")
    ] = False,
    any_sound: AnySound = False,
    device: Device = None,
):
    r"""Follow the emotion of whoever speaks into the microphone, until Ctrl-C. Nothing is kept.

    Needs pip install "ser-plugins\[mic]". The first answer comes after a window, then one every hop.

    Example: [cyan]ser listen --model fast[/cyan]
    """
    from ser_plugins.inference import open_model

    if file is not None and microphone is not None:
        raise SerError(got="--from with --input", expected="a file or a microphone", remedy="leave one of them out")
    if file is None and at_once:
        raise SerError(
            got="--at-once without --from", expected="a file: a microphone has its own pace", remedy="give --from FILE"
        )
    judge = open_model(model, device, any_sound=any_sound)
    with Interruption() as interruption, _sound(microphone, file, at_once) as (rate, blocks):
        stream = judge.stream(rate, window=window, hop=hop)
        show = _lines if as_json else _bars if sys.stdout.isatty() else _rows
        complain(f"listening at {rate} Hz, the first answer comes after {stream.latency:.1f} s, Ctrl-C stops", "note")
        show(_windows(stream, blocks, interruption))
        if interruption.came:
            complain("stopped by Ctrl-C", kind="note")


@contextmanager
def _sound(name, file, at_once):
    from ser_plugins.sound.microphone import microphone, play

    if file is None:
        with microphone(name) as sound:
            yield sound
    else:
        rate, blocks = play(file, not at_once)
        with closing(blocks):
            yield rate, blocks


def _windows(stream, blocks, interruption) -> Iterator:
    """Windows as they are judged, also the rest of a file; after Ctrl-C no more."""
    try:
        interruption.at_work = True
        for block in blocks:
            judged = stream.feed(block)
            interruption.at_work = False
            yield from judged
            if interruption.came:
                return
            interruption.at_work = True
        judged = stream.close()
        interruption.at_work = False
        yield from judged
    except KeyboardInterrupt:
        interruption.at_work = False


def _lines(windows):
    write(json.dumps(window._asdict(), ensure_ascii=False) + "\n" for window in windows)


def _rows(windows):
    """For a pipe: a line of text for every window."""
    write(f"{window.start:8.2f} {window.end:8.2f}  {_heading(window)}\n" for window in windows)


def _bars(windows):
    """For a terminal: bars that move."""
    from rich.live import Live

    with Live(terminal(""), console=console(), auto_refresh=False) as live:
        for window in windows:
            live.update(picture(window), refresh=True)


def picture(window):
    """A heading and a bar for every emotion of a window, as text of rich.

    Example
    -------
    >>> from ser_plugins.inference.windows import Window
    >>> print(picture(Window(0.0, 3.0, "joy", 0.75, {"joy": 0.75, "fear": 0.25})).plain.replace("█", "#"))
    0:03  joy
    joy   ##############################  75%
    fear  ##########  25%
    """
    sign, _ = table_signs()
    text = terminal(f"{int(window.end) // 60}:{int(window.end) % 60:02d}  ") + terminal(_heading(window, False), "bold")
    probabilities = getattr(window, "probabilities", None) or {}
    width = max(map(len, probabilities), default=0)
    for (name, value), colour in zip(probabilities.items(), colours_of(probabilities).values(), strict=True):
        style = colour if window.label is not None else SILENCE
        text += terminal(f"\n{name:{width}}  ") + terminal(sign * round(WIDTH * value), style)
        text += terminal(f"  {100 * value:.0f}%")
    return text


def _heading(window, with_probability=True) -> str:
    """What is said of a window in a word."""
    outcome = window[2:]
    if all(value is None for value in outcome):
        return "no speech"
    if hasattr(window, "score"):
        return " ".join([f"{window.score:.2f}", *filter(None, [window.polarity])])
    name = window.label or "no decision"
    return f"{name} {100 * window.probability:.0f}%" if with_probability else name
