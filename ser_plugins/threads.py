"""Several threads over many things, a few of them at a time."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ser_plugins.machine import cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 16, **options: Any
) -> Generator[Result, None, None]:
    """Yield what a function returns for every item, in their order, a thread to each core.

    Unlike ``Executor.map`` it takes items as it goes on: of 100,000 not all wait in memory, and when the caller stops,
    those that are not begun are dropped.

    Arguments
    ---------
    function : callable
        Of one item; what it raises is raised here.
    items : iterable
        Finite or not.
    ahead : int
        Items that are taken before the first result is waited for, for each thread.
    options
        Of :class:`concurrent.futures.ThreadPoolExecutor`.

    Example
    -------
    >>> list(in_threads(len, ["a", "bc"]))
    [1, 2]
    """
    waiting: deque[Future[Result]] = deque()
    width = cores()
    pool = ThreadPoolExecutor(width, **options)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead * width:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
