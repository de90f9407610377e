"""Concurrent requests judged together: whoever waits while a batch is computed is in the next one."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Batcher:
    """Collects what coroutines submit and hands it to one function, on one thread.

    No request waits for others to come: the batch grows by itself when requests come faster than they are judged.

    Arguments
    ---------
    judge : callable
        List of items -> list of outcomes, in the same order.
    size : int
        Most items of a batch.
    length : callable
        Item -> its length.
    most : float
        Bound on items times the longest, which is what padding makes of the memory; a single item may exceed it.

    Example
    -------
    >>> async def double(numbers):
    ...     batcher = Batcher(lambda batch: [2 * number for number in batch], size=2)
    ...     return await asyncio.gather(*map(batcher.submit, numbers))
    >>> asyncio.run(double([1, 2, 3]))
    [2, 4, 6]
    """

    def __init__(self, judge: Callable, size: int, length: Callable = lambda item: 1, most: float = float("inf")):
        self.judge, self.size, self.length, self.most = judge, size, length, most
        self.waiting = deque()  # (item, future)
        self.worker = None
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="judge")

    async def submit(self, item):
        """Wait for the outcome of one item; a caller that is cancelled leaves the queue."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((item, future))
        if self.worker is None:
            self.worker = asyncio.create_task(self._work())
        return await future

    async def run(self, function: Callable, *arguments):
        """Call something else on the same thread, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, function, *arguments)

    async def _work(self):
        while self.waiting:
            batch = self._next_batch()
            try:
                outcomes = await self.run(self.judge, [item for item, _ in batch]) if batch else []
            except Exception as error:  # whatever it is, those who wait must hear of it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
        self.worker = None  # nothing is awaited between the last look at the queue and this

    def _next_batch(self) -> list:
        batch, longest = [], 0
        while self.waiting and len(batch) < self.size:
            item, future = self.waiting[0]
            if not future.done():  # else whoever asked has gone
                longest = max(longest, self.length(item))
                if batch and longest * (len(batch) + 1) > self.most:
                    break
                batch.append((item, future))
            self.waiting.popleft()
        return batch
