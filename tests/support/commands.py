"""Commands as users type them, in processes of their own."""

import subprocess

from conftest import ROOT


def run(arguments, cwd=ROOT):
    """Run a command that is to succeed."""
    process = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr[-3000:]
    return process
