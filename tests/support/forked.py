"""Scripts in processes of their own that begin with the imports done: forks of one process that did nothing else.

``python script`` spends four of its seconds on importing torch and SpeechBrain. Where the law is about a process that
is killed, interrupted or beside another one, and not about how it starts, that is paid once.
"""

import multiprocessing.process
import os
import runpy
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
METHOD = "forkserver" if sys.platform == "linux" else "spawn"  # elsewhere forks of what has imported torch may hang
_context = multiprocessing.get_context(METHOD)
if METHOD == "forkserver":
    _context.set_forkserver_preload(["ser_plugins.training.recipe", "torch._dynamo"])  # which every optimizer imports


def start(output, script, *arguments, cwd=ROOT, leads_group=False):
    """Start ``python script arguments``, what it prints going to the file ``output``; a ``multiprocessing.Process``.

    ``leads_group`` gives it a process group of its own, as a terminal does.
    """
    texts = [str(argument) for argument in (script, *arguments)]
    process = _context.Process(target=_run, args=(output, texts, cwd, dict(os.environ), leads_group))
    process.start()
    return process


def run(output, script, *arguments, cwd=ROOT, status=0) -> None:
    """Run a script that is to end with this status."""
    process = start(output, script, *arguments, cwd=cwd)
    process.join()
    assert process.exitcode == status, Path(output).read_text(encoding="utf-8")[-3000:]


def call(function, *arguments):
    """What a function returns in a process of its own, whose memory is not that of the tests."""
    with ProcessPoolExecutor(1, _context) as pool:
        return pool.submit(function, *arguments).result()


def _run(output, texts, cwd, environment, leads_group):
    os.environ.clear()
    os.environ.update(environment)
    if leads_group:
        os.setsid()
    with open(output, "ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(cwd)
    multiprocessing.process.ORIGINAL_DIR = os.getcwd()  # where its own workers look for a script with a relative path
    sys.argv = texts
    # As `python script` has it, without what the tests have put there.
    ours = (str(ROOT / "tests"), str(ROOT / "recipes"))
    sys.path[:] = [str(Path(texts[0]).resolve().parent), *(path for path in sys.path if not path.startswith(ours))]
    runpy.run_path(texts[0], run_name="__main__")
