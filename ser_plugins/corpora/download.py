"""Resumable download of a corpus archive, and unpacking that cannot write outside its folder."""

import http.client
import os
import shutil
import stat
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from ser_plugins.errors import SerError

TIMEOUT = 30  # seconds without a connection or a byte
ATTEMPTS = 3  # in a row without a new byte
# Several times what EmoDB's archive has (40 MB, 48 MB of wavs): what is larger is another file, or a trap.
LARGEST = 200_000_000  # bytes that are received
LARGEST_UNPACKED = 500_000_000  # bytes of all files together
MOST_MEMBERS = 10_000


class DownloadError(SerError):
    """An archive that cannot be fetched or unpacked."""


def fetch_archive(url: str, folder: Path, *, remedy: str) -> None:
    """Download a zip and unpack it as ``folder``: whole or not at all.

    An interrupted download stays as ``<folder>.zip.part`` and goes on from there next time.

    Arguments
    ---------
    url : str
        Of the zip.
    folder : Path
        Does not exist yet, or is empty.
    remedy : str
        What to do instead when it fails.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    archive = folder.with_name(folder.name + ".zip")
    if not archive.is_file():
        download(url, archive, remedy=remedy)
    try:
        unzip(archive, folder, remedy=remedy)
    except DownloadError:
        archive.unlink()  # or the next run would meet the same wrong archive
        raise
    archive.unlink()


def download(url: str, target: Path, *, remedy: str) -> None:
    """Download into ``<target>.part``, resuming what an earlier call left, then rename to ``target``."""
    part = target.with_name(target.name + ".part")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    failures = 0
    reason = ""
    with Progress(*columns) as progress:
        task = progress.add_task(f"download {url}", total=None)
        while failures < ATTEMPTS:
            before = part.stat().st_size if part.is_file() else 0
            try:
                _receive(url, part, remedy, lambda done, total: progress.update(task, completed=done, total=total))
                os.replace(part, target)
                return
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code} {error.reason}"
                if error.code < 500:
                    break  # asking again will not change the answer
            except (OSError, http.client.HTTPException) as error:
                reason = str(getattr(error, "reason", error)) or type(error).__name__
            # A server that drops the line now and then gets through as long as bytes arrive.
            failures = 0 if part.is_file() and part.stat().st_size > before else failures + 1
    raise DownloadError(
        got=f"{url}: {reason}",
        expected="the corpus archive",
        remedy=remedy + (f"; running it again resumes {part}" if part.is_file() else ""),
    )


def _receive(url, part, remedy, report):
    done = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range", "") == f"bytes */{done}":
            return  # all of it had arrived
        if error.code == 416:
            part.unlink()
            raise ConnectionError("the server's archive is not the one begun earlier") from None
        raise
    with response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        done = done if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        _check_size(url, part, total or 0, remedy)
        with open(part, "ab" if resumed else "wb") as stream:
            while block := response.read(1 << 16):
                stream.write(block)
                done += len(block)
                _check_size(url, part, done, remedy)
                report(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"connection closed after {done} of {total} bytes")


def _check_size(url, part, size, remedy):
    if size > LARGEST:
        part.unlink(missing_ok=True)
        raise DownloadError(
            got=f"{url}: more than {LARGEST} bytes",
            expected="the corpus archive, which is smaller",
            remedy=f"do not trust this archive; {remedy}",
        )


def _check_members(archive, members, remedy):
    """Refuse what is too large or too many, and names that no plain file below the folder has."""
    size = sum(member.file_size for member in members)
    names = [member.filename.casefold() for member in members]
    if size > LARGEST_UNPACKED or len(members) > MOST_MEMBERS:
        raise DownloadError(
            got=f"{archive}: {len(members)} members, {size} bytes unpacked",
            expected=f"at most {MOST_MEMBERS} members and {LARGEST_UNPACKED} bytes",
            remedy=f"do not trust this archive; {remedy}",
        )
    often = {name for name, count in Counter(names).items() if count > 1}
    odd = next((name for name in names if not name.isprintable() or len(name) > 250 or name in often), None)
    if odd is not None:
        raise DownloadError(
            got=f"{archive}: member {odd[:250]!r}",
            expected="names that can be read, each once",
            remedy=f"do not trust this archive; {remedy}",
        )
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in member.filename or link:
            raise DownloadError(
                got=f"{archive}: member {member.filename!r} points outside the folder",
                expected="plain files below the folder",
                remedy=f"do not trust this archive; {remedy}",
            )


def unzip(archive: Path, folder: Path, *, remedy: str) -> None:
    """Unpack a zip as ``folder`` by way of a temporary neighbour; refuse what is no corpus archive."""
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with zipfile.ZipFile(archive) as contents:
            _check_members(archive, contents.infolist(), remedy)
            contents.extractall(temporary)
        temporary.chmod(0o755)  # mkdtemp makes private folders; a corpus is shared on a machine
        os.replace(temporary, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DownloadError(
            got=f"{archive}: {error}", expected="an intact zip archive", remedy=f"run it again, or {remedy}"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
