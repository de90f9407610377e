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
from pathlib import Path, PurePosixPath

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from ser_plugins.errors import SerError

TIMEOUT = 30  # seconds without a connection or a byte
ATTEMPTS = 3  # in a row without a new byte


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
    failures, reason = 0, ""
    with Progress(*columns) as progress:
        task = progress.add_task(f"download {url}", total=None)
        while failures < ATTEMPTS:
            before = part.stat().st_size if part.is_file() else 0
            try:
                _receive(url, part, lambda done, total: progress.update(task, completed=done, total=total))
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


def _receive(url, part, report):
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
        with open(part, "ab" if resumed else "wb") as stream:
            while block := response.read(1 << 16):
                stream.write(block)
                done += len(block)
                report(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"connection closed after {done} of {total} bytes")


def unzip(archive: Path, folder: Path, *, remedy: str) -> None:
    """Unpack a zip as ``folder`` by way of a temporary neighbour; refuse members that point outside, and links."""
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with zipfile.ZipFile(archive) as contents:
            for member in contents.infolist():
                path = PurePosixPath(member.filename.replace("\\", "/"))
                link = stat.S_ISLNK(member.external_attr >> 16)
                if path.is_absolute() or ".." in path.parts or ":" in member.filename or link:
                    raise DownloadError(
                        got=f"{archive}: member {member.filename!r} points outside the folder",
                        expected="plain files below the folder",
                        remedy=f"do not trust this archive; {remedy}",
                    )
            contents.extractall(temporary)
        temporary.chmod(0o755)  # mkdtemp makes private folders; a corpus is shared on a machine
        os.replace(temporary, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DownloadError(
            got=f"{archive}: {error}", expected="an intact zip archive", remedy=f"run it again, or {remedy}"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
