"""Loads a folder in plain SpeechBrain and prints, one a line, what that did beyond reading the folder's files.

> python plain_speechbrain.py FOLDER SAVEDIR WARM_UP_FOLDER
"""

import logging
import sys
import sysconfig
from pathlib import Path

from speechbrain.inference.classifiers import EncoderClassifier

import ser_plugins

folder, savedir, warm_up = (Path(argument).resolve() for argument in sys.argv[1:4])
LIBRARIES = tuple(
    str(path)
    for path in (*map(Path, sysconfig.get_paths().values()), Path(ser_plugins.__file__).parent, "<frozen", "/dev/null")
)
ALWAYS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "socket.connect")
ALWAYS += ("pickle.find_class", "ctypes.dlopen", "os.rename", "os.rmdir", "shutil.rmtree", "exec", "import")
watching = False


def hook(event, arguments):
    """Report what a model's folder has no business to do."""
    if not watching:
        return
    if event == "import" and arguments[0].startswith(("ser_plugins.", "speechbrain.")):
        return  # the class that a tag names is looked for as a module first
    if event in ALWAYS:
        print(f"{event} {arguments!r:.200}", file=sys.__stdout__)
    elif event == "open" and isinstance(arguments[0], (str, bytes)):
        path = Path(arguments[0] if isinstance(arguments[0], str) else arguments[0].decode()).absolute()
        writes = isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        inside = any(path.is_relative_to(place) for place in ((savedir,) if writes else (savedir, folder)))
        if not inside and (writes or not str(path).startswith(LIBRARIES)):
            print(f"open {path} {arguments[1]}", file=sys.__stdout__)


def load(source, cache):
    """As README shows it."""
    return EncoderClassifier.from_hparams(source=str(source), savedir=str(cache), run_opts={"device": "cpu"})


logging.disable()
load(warm_up, savedir / "warm")  # whatever the libraries import late is then there
sys.addaudithook(hook)
watching = True
try:
    load(folder, savedir / "cache")
except Exception as error:
    print(f"error {type(error).__name__}: {error}")
watching = False
print("done")
