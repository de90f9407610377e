"""Who may work on what now: threads for decoding, and the turn that large requests wait for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ser_plugins.service.uploads import Refusal

SPARE = 6  # threads beyond a lane's width: as many decoders may be stuck for ever


class Lane:
    """Calls functions on threads, a few at a time, in the order of asking.

    A caller that is cancelled gives its place up, also when its function is still running: what is stuck keeps a
    thread, but nobody waits for it.

    Arguments
    ---------
    name : str
        Of the threads.
    width : int
        Functions at a time.

    Example
    -------
    >>> async def both():
    ...     lane = Lane("add", 1)
    ...     return await asyncio.gather(lane.run(sum, [1, 2]), lane.run(sum, [3, 4]))
    >>> asyncio.run(both())
    [3, 7]
    """

    def __init__(self, name: str, width: int):
        self.places = asyncio.Semaphore(width)
        self.threads = ThreadPoolExecutor(width + SPARE, thread_name_prefix=name)

    async def run(self, function: Callable, *arguments):
        """Wait for a place, then for the outcome."""
        async with self.places:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)

    def close(self):
        """Begin nothing more."""
        self.threads.shutdown(wait=False, cancel_futures=True)


class Turns:
    """Large requests are worked on a few at a time; some may wait, and further ones are refused at once.

    Arguments
    ---------
    running, waiting : int
        How many.
    """

    def __init__(self, running: int, waiting: int):
        self.places = asyncio.Semaphore(running)
        self.waiting = 0
        self.most = waiting

    async def take(self) -> None:
        """Wait for a turn; :meth:`give_back` ends it."""
        if self.waiting >= self.most:
            raise Refusal(
                429,
                got=f"{self.waiting} long recordings waiting",
                expected=f"at most {self.most}",
                remedy="try again in some seconds, or send shorter recordings, or a longer hop",
            )
        self.waiting += 1
        try:
            await self.places.acquire()
        finally:
            self.waiting -= 1

    def give_back(self) -> None:
        """End a turn."""
        self.places.release()
