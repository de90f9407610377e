"""Work in threads comes back in order, begins as it goes on, and ends with whoever asked for it."""

import threading
from itertools import count, islice

import pytest

from ser_plugins import threads
from ser_plugins.threads import in_threads


@pytest.fixture(autouse=True)
def _three_cores(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 3)


def test_results_come_in_the_order_of_the_items():
    first_may_end = threading.Event()

    def square(number):
        if number == 0:
            assert first_may_end.wait(60)
        if number == 2:
            first_may_end.set()
        return number**2

    assert list(in_threads(square, range(100))) == [number**2 for number in range(100)]


def test_items_are_taken_a_few_ahead():
    taken = []
    results = in_threads(str, (taken.append(number) or number for number in count()), ahead=4)
    assert list(islice(results, 5)) == list("01234")
    assert len(taken) <= 5 + 4 * 3 + 1
    results.close()


def test_after_an_error_nothing_more_is_begun():
    begun = []

    def fail_at_once(number):
        begun.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match=r"^0$"):
        list(in_threads(fail_at_once, range(1000)))
    assert len(begun) <= 16 * 3 + 1
