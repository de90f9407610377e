"""Commands as users type them, in this process: without the seconds of imports of one of their own."""

import runpy
import sys

import pytest
from conftest import ROOT


def run_here(script, *arguments, cwd=ROOT) -> None:
    """Run ``python script arguments`` in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(script, run_name="__main__")
