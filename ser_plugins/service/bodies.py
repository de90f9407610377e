"""Bodies of requests, received within bounds on their bytes together and on their pace."""

import asyncio
from collections.abc import Callable

from fastapi import Request
from starlette.requests import ClientDisconnect

from ser_plugins.service.forms import Form, is_form
from ser_plugins.service.uploads import Limits, Refusal, Upload

DRAINED = 4  # times the largest body: what is read and dropped of a larger one
PACE = 1.5  # s: how often it is looked whether a body still comes
PACE_BYTES = 12 * 2**10  # in that time: a quarter of what 16-bit speech at 16 kHz takes
FREE_BYTES = 2**18  # of each body that are taken however many others are held: small ones find room
PROTECTED = 1.0  # s: no upload gives way to others before


class Bodies:
    """Receives the bodies of a service's requests.

    A body must come steadily. When all places or all bytes are taken, the slowest one gives way to the newcomer, so
    that many slow clients cannot shut out the others.

    Arguments
    ---------
    limits : Limits
        On a body, and on all of them.
    new_upload : callable
        Makes what a body is written to.

    Attributes
    ----------
    held : int
        Bytes of the bodies that are being received, waiting or judged.
    """

    def __init__(self, limits: Limits, new_upload: Callable = Upload):
        self.limits = limits
        self.new_upload = new_upload
        self.most = max(limits.held, limits.body)
        self.held = 0
        self.arriving = set()

    async def receive(self, request: Request, seconds: float) -> "Arrival":
        """Wait for a whole body; its bytes count as held until :meth:`release`.

        Raises
        ------
        Refusal
            Too large, too slow, cut short, or no room.
        """
        arrival = Arrival(asyncio.get_running_loop(), self.new_upload())
        arrival.task = asyncio.ensure_future(self._read(request, arrival))
        self.arriving.add(arrival)
        self._watch(arrival)
        try:
            await asyncio.wait({arrival.task}, timeout=seconds)
            if not arrival.task.done():
                raise _too_slow(f"no body within {self.limits.timeout:g} s", f"a body within {self.limits.timeout:g} s")
            if arrival.task.cancelled():
                raise arrival.refusal
            arrival.task.result()
        except BaseException:
            arrival.task.cancel()
            self.release(arrival)
            arrival.upload.close()
            raise
        finally:
            arrival.timer.cancel()
            self.arriving.discard(arrival)
            arrival.task = arrival.refusal = None  # else an error holds on to its own traceback
        return arrival

    def release(self, arrival: "Arrival") -> None:
        """Drop its bytes, whoever may still hold on to it."""
        self.held -= arrival.held
        arrival.held = 0
        if arrival.upload.closed:
            return
        arrival.upload.seek(0)
        arrival.upload.truncate()

    def displace(self, newcomer=None) -> bool:
        """Refuse the slowest body that is being received, for another; whether there is one."""
        now = asyncio.get_running_loop().time()
        displaceable = [one for one in self.arriving if one is not newcomer and now - one.begin > PROTECTED]
        if not displaceable:
            return False
        slowest = min(displaceable, key=lambda one: one.size / (now - one.begin))
        self._stop(
            slowest,
            Refusal(
                503,
                got=f"{slowest.size:,} bytes in {now - slowest.begin:.1f} s, slower than all others, of a full service",
                expected="a body that comes at once",
                remedy="try again in a second",
            ),
        )
        return True

    def _stop(self, arrival, refusal):
        arrival.refusal = refusal
        self.arriving.discard(arrival)
        self.release(arrival)
        arrival.task.cancel()

    def _watch(self, arrival):
        before = arrival.size

        def look():
            if arrival.size - before < PACE_BYTES:
                got = f"{arrival.size - before:,} bytes within {PACE:g} s"
                self._stop(arrival, _too_slow(got, f"at least {PACE_BYTES:,} bytes within {PACE:g} s"))
            else:
                self._watch(arrival)

        arrival.timer = asyncio.get_running_loop().call_later(PACE, look)

    async def _read(self, request, arrival):
        most = self.limits.body
        announced = request.headers.get("content-length", "0")
        announced = int(announced) if announced.isascii() and announced.isdigit() else 0
        content_type = request.headers.get("content-type", "")
        form = Form(content_type, arrival.upload.write) if is_form(content_type) else None
        take = form.feed if form else arrival.upload.write
        try:
            async for part in request.stream():
                arrival.size += len(part)
                if max(announced, arrival.size) <= most:
                    self._hold(arrival, len(part))
                    take(part)
                elif arrival.size > DRAINED * most:  # a client that is still sending would not hear an earlier answer
                    break
        except ClientDisconnect:
            raise Refusal(400, got="a body cut short", expected="all of it", remedy="send it again") from None
        except OSError as error:  # of a body that is written to a disk
            raise Refusal(
                503, got=f"no room for the body: {error.strerror}", expected="room", remedy="try again later"
            ) from None
        if max(announced, arrival.size) > most:
            raise Refusal(
                413,
                got=f"at least {max(announced, arrival.size):,} bytes",
                expected=f"at most {most:,}",
                remedy="cut or compress the recording, or send it to POST /jobs",
            )
        if form:
            form.close()

    def _hold(self, arrival, count):
        while arrival.size > FREE_BYTES and self.held + count > self.most:
            if not self.displace(arrival):
                raise Refusal(
                    503,
                    got=f"{self.held:,} bytes of all requests together",
                    expected=f"at most {self.most:,}",
                    remedy="try again in a second",
                )
        arrival.held += count
        self.held += count


class Arrival:
    """A body on its way: its ``upload``, its ``size`` in bytes so far, and how many of those are ``held``."""

    def __init__(self, loop, upload):
        self.upload = upload
        self.size = 0
        self.held = 0
        self.begin = loop.time()
        self.task = None
        self.timer = None
        self.refusal = None


def _too_slow(got, expected):
    return Refusal(408, got=got, expected=expected, remedy="send it faster, shorter or later")
