"""Reading ahead keeps the order, the memory and the drive alive."""

import threading
import time

import pytest

from geo.errors import MichisoraError
from pipelines.executor import run


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items_whatever_the_workers(workers):
    def start(item):
        time.sleep(0.003 * (item % 3))
        return lambda: item * item

    assert list(run(range(20), start, workers=workers, ahead=3)) == [(item, item * item) for item in range(20)]


def test_no_more_items_are_under_way_than_asked_for():
    under_way, most = set(), []
    lock = threading.Lock()

    def start(item):
        with lock:
            under_way.add(item)
            most.append(len(under_way))

        def result():
            with lock:
                under_way.discard(item)

        return result

    assert sum(1 for _ in run(range(200), start, workers=3, ahead=6)) == 200
    assert max(most) <= 7


@pytest.mark.parametrize("late", [False, True])
def test_a_bad_item_is_its_own_result_and_ends_nothing(late):
    def refuse():
        raise MichisoraError("bad")

    def start(item):
        if item == 2:
            return refuse if late else refuse()
        return lambda: item

    outcomes = dict(run(range(5), start))
    assert isinstance(outcomes.pop(2), MichisoraError)
    assert outcomes == {0: 0, 1: 1, 3: 3, 4: 4}


def test_a_fault_in_the_program_is_not_taken_for_a_bad_item():
    def start(item):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(run(range(3), start))
