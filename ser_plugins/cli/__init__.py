"""The command ``ser``: each subcommand is one call into the package.

Commands add themselves to ``app``, one file per group. Everything heavy is imported inside the commands, so that help
comes at once.
"""

import atexit
import gc
import sys
from typing import Annotated

import typer
from typer import Option
from typer.core import TyperGroup

from ser_plugins import __version__
from ser_plugins.cli.output import complain, flush, output_error, prepare_streams
from ser_plugins.errors import SerError


class _Commands(TyperGroup):
    """Says itself what typer would end in silence or in words of its own."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except BrokenPipeError as error:
            raise output_error(error) from None
        except KeyboardInterrupt:
            complain("stopped by Ctrl-C")
            raise typer.Exit(130) from None


# At the end Python would look through all that torch has made for what nothing refers to: a third of a second.
atexit.register(gc.freeze)

app = typer.Typer(
    cls=_Commands,
    help="Speech emotion recognition on top of SpeechBrain: use, export, report and check models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main():
    """Run the command line; input errors become one line on the error stream and exit code 2."""
    prepare_streams()
    try:
        try:
            app()
        finally:
            flush()
    except SerError as error:
        complain(error)
    except OSError as error:
        complain(f"got: {error}; expected: to read and write files; remedy: check the path, its rights and the disk")
    raise SystemExit(2)


def _show_version(wanted: bool):
    if wanted:
        print(f"ser {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, Option("--version", callback=_show_version, is_eager=True, help="Print it.")] = False,
):
    """Hold the options of ``ser`` itself."""


# The groups, in the order of the help; they need `app`, so they come last.
from ser_plugins.cli import recordings
from ser_plugins.cli import timeline
from ser_plugins.cli import score_timeline
from ser_plugins.cli import details
from ser_plugins.cli import models
from ser_plugins.cli import onnx
from ser_plugins.cli import results
from ser_plugins.cli import suite
from ser_plugins.cli import corpora
from ser_plugins.cli import audit
from ser_plugins.cli import service
from ser_plugins.cli import listen
from ser_plugins.cli import stress
from ser_plugins.cli import doctor
