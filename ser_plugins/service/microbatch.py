"""Concurrent requests judged together on one thread, which short and long ones share by turns."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial


class Batcher:
    """Collects what coroutines submit and hands it to one function, on one thread.

    No request waits for others to come: the batch grows by itself when requests come faster than they are judged.
    Batches take turns with jobs, which are long items and whatever else needs the thread: nobody waits for more than
    the jobs before his own and as many batches.

    Arguments
    ---------
    judge : callable
        List of items -> list of outcomes, in the same order.
    size : int
        Most items of a batch.
    length : callable
        Item -> its length.
    most : float
        Bound on items times the longest, which is what padding makes of the memory; an item of more than half of it is
        a job of its own.

    Example
    -------
    >>> async def double(numbers):
    ...     batcher = Batcher(lambda batch: [2 * number for number in batch], size=2)
    ...     return await asyncio.gather(*map(batcher.submit, numbers))
    >>> asyncio.run(double([1, 2, 3]))
    [2, 4, 6]
    """

    def __init__(self, judge: Callable, size: int, length: Callable = lambda item: 1, most: float = float("inf")):
        self.judge = judge
        self.size = size
        self.length = length
        self.most = most
        self.items, self.jobs = deque(), deque()  # each with the future of its outcome
        self.worker = None
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="judge")

    async def submit(self, item):
        """Wait for the outcome of one item; a caller that is cancelled leaves the queue."""
        if 2 * self.length(item) > self.most:
            [outcome] = await self.run(self.judge, [item])
            return outcome
        return await self._outcome(self.items, item)

    async def run(self, function: Callable, *arguments):
        """Call something else on the same thread, between two batches; cancelled before its turn, it is not called."""
        return await self._outcome(self.jobs, partial(function, *arguments))

    async def _outcome(self, queue, entry):
        future = asyncio.get_running_loop().create_future()
        queue.append((entry, future))
        if self.worker is None:
            self.worker = asyncio.create_task(self._work())
        return await future

    async def _work(self):
        while self.items or self.jobs:
            batch = self._next_batch()
            if batch:
                items, futures = zip(*batch, strict=True)
                await self._turn(partial(self.judge, list(items)), futures)
            job = self._next_job()
            if job:
                function, future = job
                await self._turn(lambda function=function: [function()], [future])
        self.worker = None  # nothing is awaited between the last look at the queues and this

    async def _turn(self, function, futures):
        """Call on the thread what gives a list, an outcome for each future."""
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(self.thread, function)
        except Exception as error:  # whatever it is, those who wait must hear of it
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for future, outcome in zip(futures, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    def _next_batch(self) -> list:
        batch = []
        longest = 0
        while self.items and len(batch) < self.size:
            item, future = self.items[0]
            if not future.done():  # else whoever asked has gone
                longest = max(longest, self.length(item))
                if batch and longest * (len(batch) + 1) > self.most:
                    break
                batch.append((item, future))
            self.items.popleft()
        return batch

    def _next_job(self):
        while self.jobs:
            job = self.jobs.popleft()
            if not job[1].done():
                return job
        return None
