"""Many sources -> a folder of 16 kHz mono wavs, made once.

Beside every ``NAME.wav`` lies ``NAME.wav.json``, written last: the SHA-256 of the source and of the wav. A wav is kept
while both still hold, else it is made anew; a killed run goes on where it was. The corpus folder is never written to.
"""

import csv
import io
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError
from ser_plugins.files import read_json, sha256_of, write_json, write_text
from ser_plugins.machine import cores
from ser_plugins.plain import console
from ser_plugins.sound.convert import convert
from ser_plugins.sound.ffmpeg import find_ffmpeg
from ser_plugins.sound.suffixes import FFMPEG

REPORT = "conversion_report.csv"


@dataclass(frozen=True)
class Conversion:
    """What became of the sources.

    Arguments
    ---------
    failed, complaints : dict
        ``{name: reason}``: those without a wav, and those with one, of which ffmpeg said that something was wrong.
    made : int
        Wavs written this time; the others were there.
    report : Path
        CSV of ``failed`` and ``complaints``; not there when both are empty.
    """

    failed: dict
    complaints: dict
    made: int
    report: Path

    def require_all(self) -> None:
        """Raise one SerError that names the report, if anything failed."""
        if self.failed:
            some = first_few((f"{name}: {reason}" for name, reason in self.failed.items()), limit=3)
            raise SerError(
                got=f"{len(self.failed)} sources without usable audio: {some}; all of them in {self.report}",
                expected="every source to hold audio",
                remedy="copy these again from where they came (the others are done and kept), "
                "or remove them and use --allow_partial",
            )


def cache_audio(sources: dict, folder, workers: int | None = None) -> Conversion:
    """Convert what is not converted yet, several at a time; one bad source never stops the others.

    Arguments
    ---------
    sources : dict
        ``{name below folder, ending in .wav: path of the recording or video}``.
    folder : path-like
        The cache.
    workers : int, optional
        Conversions side by side; default: one per core.

    Returns
    -------
    Conversion
        ``.failed`` lists the sources without a wav; the caller decides what that means.

    Raises
    ------
    SerError
        Videos, and no ffmpeg. (What is wrong with a single source is in the outcome.)

    Example
    -------
    >>> import tempfile, numpy as np, soundfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> soundfile.write(folder / "a.wav", np.ones((48000, 2)) / 2, 48000)
    >>> cache_audio({"x/a.wav": folder / "a.wav"}, folder / "cache").made
    1
    >>> cache_audio({"x/a.wav": folder / "a.wav"}, folder / "cache").made
    0
    """
    folder = Path(folder)
    notes = _valid_notes(sources, folder)
    waiting = [name for name, note in notes.items() if note is None]
    if not waiting:
        return _convert(sources, folder, notes, workers)
    if any(Path(sources[name]).suffix.lower() in FFMPEG for name in waiting):
        find_ffmpeg()  # said once, and before anything is begun
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # of systems started together one converts, the others find it done
        return _convert(sources, folder, _valid_notes(sources, folder), workers)


def _valid_notes(sources, folder) -> dict:
    return {name: _valid_note(Path(source), folder / name) for name, source in sources.items()}


def _convert(sources, folder, notes, workers) -> Conversion:
    """Make the wavs that have no note."""
    failed = {}
    complaints = {}
    waiting = [name for name, note in notes.items() if note is None]
    screen = console(stderr=True)
    with ThreadPoolExecutor(workers or cores()) as pool, _progress(screen, waiting) as progress:
        task = progress.add_task("audio to 16 kHz mono", total=len(waiting))
        jobs = {pool.submit(_make, Path(sources[name]), folder / name): name for name in waiting}
        try:
            for job in as_completed(jobs):
                progress.advance(task)
                try:
                    notes[jobs[job]] = job.result()
                except (SerError, OSError) as error:
                    failed[jobs[job]] = error.got if isinstance(error, SerError) else str(error)
        except BaseException:  # Ctrl-C: what runs is finished, what waits is not begun
            pool.shutdown(cancel_futures=True)
            raise
    failed = {name: failed[name] for name in sources if name in failed}
    complaints = {name: note["complaints"] for name, note in notes.items() if note and note["complaints"]}
    outcome = Conversion(failed, complaints, len(waiting) - len(failed), folder / REPORT)
    _write_report(outcome, sources)
    if complaints:
        screen.print(f"ffmpeg complained about {len(complaints)} sources that it decoded: {outcome.report}")
    return outcome


def _make(source: Path, wav: Path) -> dict:
    for stale in (_note_of(wav), wav):
        stale.unlink(missing_ok=True)
    complaints = convert(source, wav)
    note = {"source": _stamp(source) | {"sha256": sha256_of(source)}, "wav": sha256_of(wav), "complaints": complaints}
    write_json(_note_of(wav), note)
    return note


def _valid_note(source: Path, wav: Path) -> dict | None:
    """The note of a wav that is still the one made of this source, else None.

    The wav is hashed every time. A video is hashed only when its size or time of change is another than noted.
    """
    try:
        note = read_json(_note_of(wav))
        if sha256_of(wav) != note["wav"]:
            return None
        if note["source"] != (stamped := note["source"] | _stamp(source)):
            if sha256_of(source) != note["source"]["sha256"]:
                return None
            write_json(_note_of(wav), note | {"source": stamped})
        return note if isinstance(note["complaints"], str) else None
    except (SerError, OSError, KeyError, TypeError):
        return None


def _stamp(source: Path) -> dict:
    status = source.stat()
    return {"bytes": status.st_size, "changed": status.st_mtime_ns}


def _note_of(wav: Path) -> Path:
    return wav.with_name(f"{wav.name}.json")


def _progress(screen, waiting) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=screen, disable=not waiting)


def _write_report(outcome: Conversion, sources) -> None:
    if not outcome.failed and not outcome.complaints:
        outcome.report.unlink(missing_ok=True)
        return
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("outcome", "name", "source", "reason"))
    for kind in ("failed", "complaints"):
        for name, reason in getattr(outcome, kind).items():
            writer.writerow((kind, name, sources[name], reason))
    write_text(outcome.report, table.getvalue())
