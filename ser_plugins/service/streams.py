"""Sound that comes over a WebSocket, judged window after window as it comes.

One message is taken at a time, and the next once its windows are judged: a client that sends faster than that is held
back by TCP, so that what is not judged yet is never more than a message, and what ffmpeg and the sockets hold.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from ser_plugins.errors import SerError
from ser_plugins.inference.stream import Stream
from ser_plugins.inference.windows import batched
from ser_plugins.service.piped import decoded
from ser_plugins.service.replies import parts_of, strict_json
from ser_plugins.service.thresholds import Thresholds
from ser_plugins.service.uploads import MEAN_VALUES_PER_SECOND, Refusal, refuse_odd_rate

OVERLAP = 20  # windows in which a moment may lie: what a second of sound may cost is bounded
CODES = {413: 1009, 429: 1013, 503: 1013, 500: 1011}  # status -> how the stream is closed (RFC 6455, 7.4)
REFUSED = 1008
TYPES: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
END = '{"event": "end"}'


class Options(NamedTuple):
    """What a client asks for in the address.

    Arguments
    ---------
    encoding : str
        ``s16le`` or ``f32le``: bare samples of one channel; ``container``: WebM, Ogg, fragmented MP4 and so on.
    rate : int
        Of bare samples, in Hz.
    window, hop : float
        In s.
    thresholds : Thresholds
        From which probability on a window gets a label.
    """

    encoding: Literal["s16le", "f32le", "container"]
    rate: int
    window: float
    hop: float
    thresholds: Thresholds


class Streams:
    """The streams that are open. When there are too many, one whose client owes sound gives way to the newcomer.

    So nobody can hold all places with streams into which next to nothing is sent.

    Arguments
    ---------
    most : int
        How many.
    patience : float
        s of sound that a client may owe and keep its place.
    """

    def __init__(self, most: int, patience: float):
        self.most, self.patience = most, patience
        self.sessions: set[Session] = set()

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self.sessions)

    @contextmanager
    def place(self, session: "Session"):
        """A place for one, or :class:`Refusal`."""
        if self.open >= self.most and not self._displace():
            raise Refusal(
                429, got=f"{self.open} open streams", expected=f"at most {self.most}", remedy="try again in a minute"
            )
        self.sessions.add(session)
        try:
            yield
        finally:
            self.sessions.discard(session)

    def _displace(self) -> bool:
        """Refuse the one that owes most; whether there is one."""
        slowest = max(self.sessions, key=lambda session: session.owed, default=None)
        if slowest is None or slowest.owed <= self.patience:
            return False
        self.sessions.discard(slowest)
        slowest.give_way()
        return True


async def serve_stream(service, websocket: WebSocket, options: Options) -> None:
    """Accept, judge and close; what goes wrong is said before the close."""
    await websocket.accept()
    try:
        session = Session(service, websocket, options)
        with service.streams.place(session):
            try:
                await session.run()
            finally:
                service.tidy_later()
        await websocket.close()
    except WebSocketDisconnect:
        pass
    except SerError as error:
        await refuse(websocket, error)
    except Exception as error:
        await refuse(websocket, error)
        raise


async def refuse(websocket: WebSocket, error: Exception) -> None:
    """Say what is wrong in an event, and close."""
    parts, status = parts_of(error)
    text = "; ".join(f"{name}: {value}" for name, value in parts.items())
    try:
        await websocket.send_text(strict_json({"event": "error", "error": text, **parts}))
        await websocket.close(CODES.get(status, REFUSED))
    except (WebSocketDisconnect, RuntimeError):  # it has gone
        pass


class Session:
    """One stream from ``ready`` to ``end``.

    Arguments
    ---------
    service : ser_plugins.service.requests.Service
        Its model, limits and threads.
    websocket : WebSocket
        Accepted.
    options : Options
        Of the client.
    """

    def __init__(self, service, websocket, options):
        self.service, self.websocket, self.options = service, websocket, options
        self.limits = service.limits
        self.stream: Stream | None = None  # once the rate is known
        self.seconds = 0.0  # of sound that has come
        self.now = asyncio.get_running_loop().time
        self.deadline = self.now() + self.limits.stream
        self.waited = 0.0  # s for messages
        self.waiting: float | None = None  # since when for one
        self.task: asyncio.Task | None = None
        self.refusal: Refusal | None = None

    @property
    def owed(self) -> float:
        """How long its client was waited for, in s, beyond what the sound that it has sent lasts."""
        waiting = 0.0 if self.waiting is None else self.now() - self.waiting
        return self.waited + waiting - self.seconds

    def give_way(self) -> None:
        """End, for another stream."""
        self.refusal = Refusal(
            503,
            got=f"{self.owed:.0f} s without sound, in a full service",
            expected="sound as it is heard",
            remedy="send silence where there is a pause",
        )
        if self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        """Judge all that comes, or raise :class:`Refusal` once another has its place."""
        self.task = asyncio.ensure_future(self._run())
        try:
            await self.task
        except asyncio.CancelledError:
            if self.refusal is None:
                raise
            raise self.refusal from None

    async def _run(self):
        options, model = self.options, self.service.model
        model.check_windows(options.window, options.hop)
        if options.window > OVERLAP * options.hop:
            raise SerError(
                got=f"window={options.window:g}, hop={options.hop:g}",
                expected=f"a window of at most {OVERLAP} hops",
                remedy="ask for a longer hop or a shorter window",
            )
        bare = options.encoding in TYPES
        if bare:
            self._open(options.rate)
        await self._say(
            "ready",
            labels=list(getattr(model, "labels", ())),
            rate=options.rate if bare else None,
            window=options.window,
            hop=options.hop,
        )
        sound = self._samples() if bare else decoded(self._messages(), self.limits.idle)
        async with aclosing(sound):
            async for rate, block in sound:
                if self.stream is None:
                    self._open(rate)
                await self._hear(block, rate)
        if self.stream is not None:
            await self._judge(await self.service.quick.run(self.stream.cut_rest))
        await self._say("end", duration=round(self.seconds, 6))

    def _open(self, rate):
        refuse_odd_rate(rate, self.service.model.sample_rate, "stream")
        self.stream = Stream(self.service.model, rate, self.options.window, self.options.hop)

    async def _hear(self, block, rate):
        """Judge the windows that ``block`` (samples, channels) completes."""
        self.seconds += len(block) / rate
        if self.seconds > self.limits.stream:
            raise self._too_long()
        await self._judge(await self.service.quick.run(self.stream.cut, block.T))

    async def _judge(self, cuts):
        """Between two batches of requests, as many windows as a timeline has at once."""
        for batch in batched(cuts, self.service.windows_at_once(self.options.window)):
            for window in await self.service.batcher.run(self.stream.judge, batch):
                await self._say("window", **self.options.thresholds.applied(window)._asdict())

    async def _say(self, event, **content):
        try:
            await asyncio.wait_for(self.websocket.send_text(strict_json({"event": event, **content})), self.limits.idle)
        except asyncio.TimeoutError:
            raise WebSocketDisconnect(REFUSED) from None  # it takes nothing, so it need not be told

    async def _samples(self) -> AsyncGenerator[tuple[int, np.ndarray], None]:
        """The rate in Hz and (samples, 1), float32, of every message."""
        kind = TYPES[self.options.encoding]
        scale = 2**15 if kind.kind == "i" else 1
        async for content in self._messages():
            if len(content) % kind.itemsize:
                raise SerError(
                    got=f"a message of {len(content):,} bytes",
                    expected=f"whole samples of {kind.itemsize} bytes ({self.options.encoding})",
                    remedy="send every sample in one message; for WebM, Ogg and the like: encoding=container",
                )
            yield self.options.rate, (np.frombuffer(content, kind).astype(np.float32) / scale)[:, None]

    async def _messages(self) -> AsyncGenerator[bytes, None]:
        """Binary messages, until the client says that it was the last one."""
        received = 0
        while True:
            message = await self._message()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code") or 1005)
            content = message.get("bytes")
            if content is None:
                _check_end(message["text"])
                return
            received += len(content)
            if len(content) > self.limits.frame:
                raise Refusal(
                    413,
                    got=f"a message of {len(content):,} bytes",
                    expected=f"at most {self.limits.frame:,}",
                    remedy="send smaller pieces",
                )
            if received > self.limits.stream * MEAN_VALUES_PER_SECOND:
                raise self._too_long()
            if content:
                yield content

    async def _message(self):
        self.waiting = self.now()
        left = self.deadline - self.waiting
        try:
            return await asyncio.wait_for(self.websocket.receive(), max(0.0, min(self.limits.idle, left)))
        except asyncio.TimeoutError:
            if left < self.limits.idle:
                raise self._too_long() from None
            raise SerError(
                got=f"nothing within {self.limits.idle:g} s",
                expected=f"sound, or the message {END}",
                remedy="send silence where there is a pause, and open a new stream later",
            ) from None
        finally:
            self.waited += self.now() - self.waiting
            self.waiting = None

    def _too_long(self):
        return SerError(
            got=f"a stream of more than {self.limits.stream:g} s",
            expected=f"at most {self.limits.stream:g} s",
            remedy="end this one and open the next, or start the service with a longer --stream-seconds",
        )


def _check_end(text):
    """Raise :class:`SerError` for any text but the one there is."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if content != json.loads(END):
        raise SerError(
            got=f"the message {text[:80]!r}", expected=f"binary messages of sound, then {END}", remedy="see /docs"
        )
