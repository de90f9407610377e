"""Long recordings: taken whole, judged in the background one after the other, asked for by a secret name.

All of it is gone when the service stops: recordings lie in a temporary folder until they are judged, results in memory.
"""

import asyncio
import io
import itertools
import secrets
import tempfile
from pathlib import Path

from fastapi import Request

from ser_plugins.errors import AudioError, SerError
from ser_plugins.inference.windows import batched, cut_windows, open_recording
from ser_plugins.service.bodies import Arrival, Bodies
from ser_plugins.service.lanes import Lane
from ser_plugins.service.replies import parts_of
from ser_plugins.service.thresholds import Thresholds
from ser_plugins.service.uploads import Decoding, Refusal, Seekable

UPLOAD_SECONDS = 600.0  # for the body of a job
OTHERWISE = "use ser timeline on the machine itself"  # with longer ones
MOST_WINDOWS = 20_000  # of a job: what its result may take


class StoredUpload(Seekable, io.FileIO):
    """A body on disk, under a name that only its owner knows, until it is closed."""

    def __init__(self, folder: Path):
        self.path = folder / secrets.token_hex(8)
        super().__init__(self.path, "x+")

    def close(self):
        """Remove it; a decoder that is still at work finds its end there."""
        super().close()
        self.path.unlink(missing_ok=True)

    def readinto(self, buffer):
        """As of any file."""
        return 0 if self.closed else super().readinto(buffer)

    def tell(self):
        """As of any file."""
        return 0 if self.closed else super().tell()

    def seek(self, offset, whence=io.SEEK_SET):
        """As of any upload."""
        return 0 if self.closed else super().seek(offset, whence)


class Job:
    """A recording that is judged in the background.

    Arguments
    ---------
    window, hop : float
        In s.
    thresholds : Thresholds
        From which probability on a window gets a label.

    Attributes
    ----------
    state : str
        ``waiting``, ``running``, ``done`` or ``failed``.
    seconds : float
        Judged so far.
    duration : float or None
        Of the recording in s, by its header; None where that does not say.
    windows : list
        Judged so far.
    """

    def __init__(self, window: float, hop: float, thresholds: Thresholds):
        self.name = secrets.token_urlsafe(16)
        self.window, self.hop, self.thresholds = window, hop, thresholds
        self.state = "waiting"
        self.error: dict[str, str] | None = None
        self.seconds = 0.0
        self.duration: float | None = None
        self.windows = []
        self.task: asyncio.Task | None = None

    def report(self) -> dict:
        """What a client hears: the windows once all of them are there."""
        progress = 1.0 if self.state == "done" else None
        if self.duration and progress is None:
            progress = min(1.0, self.seconds / self.duration)
        windows = [window._asdict() for window in self.windows] if self.state == "done" else None
        return {
            "id": self.name,
            "state": self.state,
            "progress": progress,
            "seconds": self.seconds,
            "windows": windows,
            "error": self.error,
        }


class Jobs:
    """The jobs of a service, bounded in number, bytes, length and age; one of them is at work.

    Arguments
    ---------
    service : ser_plugins.service.requests.Service
        Its model, limits and judge; between two batches of requests a job has its turn.
    """

    def __init__(self, service):
        self.service, self.limits = service, service.limits
        self.known: dict[str, Job] = {}
        self.coming = 0  # jobs whose bodies are on their way
        self.turn = asyncio.Semaphore(1)
        self.lane = Lane("job", 1)
        self.folder: tempfile.TemporaryDirectory | None = None
        bounds = {"body": self.limits.job_body, "held": self.limits.jobs * self.limits.job_body}
        self.bodies = Bodies(self.limits._replace(**bounds, timeout=UPLOAD_SECONDS), self._new_upload)

    def _new_upload(self) -> StoredUpload:
        if self.folder is None:
            self.folder = tempfile.TemporaryDirectory(prefix="ser-jobs-", ignore_cleanup_errors=True)
        return StoredUpload(Path(self.folder.name))

    async def begin(self, request: Request, window: float, hop: float, thresholds: Thresholds) -> Job:
        """Take the recording, and judge it when its turn comes."""
        self.service.model.check_windows(window, hop)
        if len(self.known) + self.coming >= self.limits.jobs:
            raise Refusal(
                429,
                got=f"{self.limits.jobs} jobs",
                expected="fewer that wait, run or have not been deleted",
                remedy="DELETE those that you have the result of, or try again later",
            )
        self.coming += 1
        try:
            with self.service.place():
                arrival = await self.bodies.receive(request, UPLOAD_SECONDS)
        finally:
            self.coming -= 1
        job = Job(window, hop, thresholds)
        self.known[job.name] = job
        job.task = asyncio.create_task(self._work(job, arrival))
        return job

    def find(self, name: str) -> Job:
        """The job of this name; :class:`Refusal` where there is none."""
        if name not in self.known:
            raise Refusal(
                404,
                got="the name of no job",
                expected="one that POST /jobs has given, not deleted, and not too old",
                remedy="send the recording again",
            )
        return self.known[name]

    def delete(self, name: str) -> None:
        """Stop a job and forget it."""
        job = self.find(name)
        del self.known[name]
        if job.task is not None:
            job.task.cancel()

    def close(self) -> None:
        """Stop all, and remove what lies on disk."""
        for name in list(self.known):
            self.delete(name)
        self.lane.close()
        if self.folder is not None:
            self.folder.cleanup()

    async def _work(self, job: Job, arrival: Arrival):
        try:
            async with self.turn:
                job.state = "running"
                await self._judge(job, arrival.upload)
            job.state = "done"
        except Exception as error:
            job.error, _ = parts_of(error)
            job.windows = []
            job.state = "failed"
            if not isinstance(error, SerError):
                raise  # so that it stands in the log
        finally:
            self.bodies.release(arrival)
            arrival.upload.close()
            self.service.tidy_later()
            asyncio.get_running_loop().call_later(self.limits.job_age, self.known.pop, job.name, None)

    async def _judge(self, job, upload):
        """Window after window, as many at once as a timeline has."""
        service, model = self.service, self.service.model
        decoding = Decoding(upload, model, self.limits.job_audio, OTHERWISE)
        await self.lane.run(decoding.refuse_by_header)
        job.duration = decoding.duration
        blocks = await self.lane.run(open_recording, upload, model.sample_rate)
        cuts = cut_windows(blocks, model.sample_rate, job.window, job.hop, model.min_samples)
        batches = batched(self._bounded(cuts, job), service.windows_at_once(job.window))
        while batch := await self.lane.run(next, batches, None):
            for window in await service.batcher.run(lambda batch=batch: list(model.judge_cuts(batch, str(upload)))):
                job.windows.append(job.thresholds.applied(window))
                job.seconds = window.end

    def _bounded(self, cuts, job):
        yield from itertools.islice(self._short_enough(cuts), MOST_WINDOWS)
        if next(cuts, None) is not None:
            raise SerError(
                got=f"more than {MOST_WINDOWS:,} windows",
                expected="a recording that is judged in fewer",
                remedy=f"a hop longer than {job.hop:g} s",
            )

    def _short_enough(self, cuts):
        most = self.limits.job_audio
        for start, wave in cuts:
            if (start + len(wave)) / self.service.model.sample_rate > most:
                raise AudioError(
                    got=f"a recording longer than {most:g} s",
                    expected=f"at most {most:g} s",
                    remedy=f"cut it, or {OTHERWISE}",
                )
            yield start, wave
