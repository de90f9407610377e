"""Commands as users type them: in a process of their own, or, without its seconds of imports, in this one."""

import runpy
import subprocess
import sys

import pytest
from conftest import ROOT


def run(arguments, cwd=ROOT):
    """Run a command that is to succeed."""
    process = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr[-3000:]
    return process


def run_here(script, *arguments, cwd=ROOT) -> None:
    """Run ``python script arguments`` in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(script, run_name="__main__")
