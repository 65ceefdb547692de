from __future__ import annotations

import contextvars
import threading

import pytest

from spothive.blocks import database_block, refuse_in_block
from spothive.errors import NetworkInTransaction


def test_a_call_inside_a_block_is_refused_by_name() -> None:
    with database_block(), pytest.raises(NetworkInTransaction, match="ec2:DescribeRegions was called while"):
        refuse_in_block("ec2:DescribeRegions")


def test_a_call_after_a_block_is_free_even_when_the_block_failed() -> None:
    with pytest.raises(KeyError), database_block():
        raise KeyError
    refuse_in_block("anything")


def test_only_the_outermost_block_ends_the_refusal() -> None:
    with database_block():
        with database_block():
            pass
        with pytest.raises(NetworkInTransaction):
            refuse_in_block("anything")
    refuse_in_block("anything")


def test_a_block_of_one_thread_refuses_nothing_in_another() -> None:
    with database_block():
        free = threading.Thread(target=refuse_in_block, args=("anything",))
        errors: list[object] = []
        threading.excepthook, before = lambda each: errors.append(each.exc_value), threading.excepthook
        try:
            free.start()
            free.join()
        finally:
            threading.excepthook = before
    assert errors == []


def test_leaving_a_block_in_another_context_opens_no_door() -> None:
    block = database_block()
    contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    refuse_in_block("anything")
    with database_block(), pytest.raises(NetworkInTransaction):
        refuse_in_block("anything")
