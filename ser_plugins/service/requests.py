"""From the body of a request to its reply: what all requests share, and what one of them does."""

import asyncio
import math
from collections.abc import Callable
from contextlib import contextmanager

from fastapi import Request
from fastapi.responses import Response

from ser_plugins.errors import SerError
from ser_plugins.inference.attention_map import attention_map
from ser_plugins.inference.quality import check_read
from ser_plugins.inference.texts import check_texts
from ser_plugins.inference.windows import batched, cut_windows
from ser_plugins.machine import return_memory
from ser_plugins.service.bodies import Bodies
from ser_plugins.service.jobs import Jobs
from ser_plugins.service.lanes import Lane, Turns
from ser_plugins.service.microbatch import Batcher
from ser_plugins.service.replies import strict_json
from ser_plugins.service.streams import Streams
from ser_plugins.service.uploads import Decoding, Refusal
from ser_plugins.sound.ffmpeg import needs_ffmpeg

BATCH_SECONDS = 60.0  # of audio, padding included: a model needs a few MB and some milliseconds for each
STEP_SECONDS = 24.0  # of audio, at most, that are judged between two batches
STEP = 2**20  # values (channels x samples) of a recording that are decoded before others have their turn
LARGE_BYTES = 2**20  # of a body: a file is opened in one step, however long that takes
LARGE_SECONDS = 30.0  # of audio to judge: beyond, requests are worked on two at a time
TIDY_SECONDS = 2.0  # from the end of a request until memory is handed back


class Service:
    """What the routes share: the bounds on requests, the threads, the batches.

    A request is large when its body is, when it has more than ``STEP`` values, or when much has to be judged.
    Large ones are worked on a few at a time and step by step, so that small ones are answered meanwhile.
    """

    def __init__(self, model, limits):
        self.model = model
        self.limits = limits
        self.in_flight = 0
        self.streams = Streams(limits.streams, limits.idle)
        self.bodies = Bodies(limits)
        self.quick, self.slow = Lane("decode", 2), Lane("decode-large", 1)
        self.turns = Turns(2, max(1, limits.queue // 2))
        self.tidying = None
        most = BATCH_SECONDS * model.sample_rate
        self.jobs = Jobs(self)
        self.batcher = Batcher(self._judge, limits.batch, lambda item: len(item[0]), most)

    def _judge(self, items: list) -> list:
        """Outcomes of waves and their texts, together."""
        waves, texts = zip(*items, strict=True)
        return self.model._judge(list(waves), list(texts))

    def close(self):
        """Begin nothing more."""
        if self.tidying is not None:
            self.tidying.cancel()
        self.jobs.close()
        self.quick.close()
        self.slow.close()
        self.batcher.thread.shutdown(wait=False)

    async def answer(self, request: Request, work: Callable, *arguments) -> Response:
        """Admit, read and judge within the limits, as long as somebody waits for the reply."""
        loop = asyncio.get_running_loop()
        with self.place():
            end = loop.time() + self.limits.timeout
            arrival = await self.bodies.receive(request, self.limits.timeout)
            task = Task(self, arrival.upload)
            try:
                content = await self._while_awaited(request, end, work(task, *arguments))
                return Response(strict_json(content), media_type="application/json")
            finally:
                task.close()
                self.bodies.release(arrival)
                self.tidy_later()

    async def classify(self, task, text, thresholds) -> dict:
        """What :meth:`RecordingModel.predict_file` gives, the duration in s, and what is out of the ordinary."""
        check_texts(self.model.members, [text])  # before others share a batch with it
        recording = await task.decoded()
        seconds = len(recording.wave) / self.model.sample_rate
        await task.refuse_or_wait(seconds)
        outcome = thresholds.applied(await self.batcher.submit((recording.wave, text)))
        check = await task.lane.run(check_read, recording, self.model)
        findings = [finding._asdict() for finding in check.findings]
        warnings = [str(finding) for finding in check.findings]
        measured = {**check._asdict(), "findings": findings}
        return {**outcome._asdict(), "duration": seconds, "warnings": warnings, "check": measured}

    async def timeline(self, task, window, hop, thresholds) -> dict:
        """What :meth:`RecordingModel.classify_windows` gives; ``window`` and ``hop`` in s."""
        self.model.check_windows(window, hop)
        wave = (await task.decoded()).wave
        rate = self.model.sample_rate
        count = 1 + max(0, math.ceil((len(wave) / rate - window) / hop))
        await task.refuse_or_wait(count * window, f" in {count} windows")
        cuts = cut_windows([wave], rate, window, hop, self.model.min_samples)
        rows = []
        for batch in batched(cuts, self.windows_at_once(window)):
            rows += await self.batcher.run(lambda batch=batch: list(self.model.judge_cuts(batch, str(task.upload))))
        return {"windows": [thresholds.applied(row)._asdict() for row in rows]}

    async def attention(self, task) -> dict:
        """What :func:`attention_map` gives."""
        wave = (await task.decoded()).wave
        await task.refuse_or_wait(len(wave) / self.model.sample_rate)
        return await self.batcher.run(attention_map, self.model, wave)

    def windows_at_once(self, window: float) -> int:
        """How many windows of so many s are judged between two batches."""
        return max(1, min(self.limits.batch, int(STEP_SECONDS / window)))

    def tidy_later(self):
        """Hand memory back to the system, in a while."""

        def tidy():
            self.tidying = None
            self.slow.threads.submit(return_memory)

        if self.tidying is None:
            self.tidying = asyncio.get_running_loop().call_later(TIDY_SECONDS, tidy)

    @contextmanager
    def place(self):
        """A place among the requests in flight, or :class:`Refusal`."""
        if self.in_flight >= self.limits.queue and not self.bodies.displace():
            raise Refusal(
                429,
                got=f"{self.in_flight} requests in flight",
                expected=f"at most {self.limits.queue}",
                remedy="try again in a second, or start the service with a longer --queue",
            )
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def _while_awaited(self, request, end, work):
        working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_departure(request))
        try:
            left = max(0.0, end - asyncio.get_running_loop().time())
            await asyncio.wait({working, leaving}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            if leaving.done():  # nobody will read this
                raise Refusal(400, got="a client that has gone", expected="one that waits", remedy="send it again")
            raise Refusal(
                504,
                got="no reply in time",
                expected=f"a reply within {self.limits.timeout:g} s",
                remedy="send it faster, shorter or later",
            )
        finally:
            working.cancel()
            leaving.cancel()
            del working, leaving  # else an error holds on to its own traceback, and that to the recording


class Task:
    """One request at work: the thread for its decoding, and its turn where it is large."""

    def __init__(self, service, upload):
        self.service = service
        self.upload = upload
        self.has_turn = False

    async def decoded(self):
        """The recording; after the first step, the rest in turn with other large requests."""
        decoding = Decoding(self.upload, self.service.model, self.service.limits.audio)
        if self.upload.getbuffer().nbytes > LARGE_BYTES or needs_ffmpeg(self.upload):  # a process of its own
            await self.lane.run(decoding.refuse_by_header)
            await self.take_turn()
        recording = await self.lane.run(decoding.advance, STEP)
        while recording is None:
            await self.take_turn()
            recording = await self.lane.run(decoding.advance, STEP)
        return recording

    async def refuse_or_wait(self, seconds, how=""):
        """Refuse what takes too long to judge, and wait for a turn with what takes long."""
        most = self.service.limits.work
        if seconds > most:
            raise SerError(
                got=f"{seconds:,.0f} s to judge{how}",
                expected=f"at most {most:,.0f} s",
                remedy="a longer hop or a shorter recording, or POST /jobs",
            )
        if seconds > LARGE_SECONDS:
            await self.take_turn()

    async def take_turn(self):
        """Count as a large request from now on."""
        if not self.has_turn:
            await self.service.turns.take()
            self.has_turn = True

    def close(self):
        """Let the next large request have its turn."""
        if self.has_turn:
            self.service.turns.give_back()

    @property
    def lane(self):
        """Where it is decoded."""
        return self.service.slow if self.has_turn else self.service.quick


async def _departure(request):
    """Until the client has gone; after the whole body nothing else is to come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
