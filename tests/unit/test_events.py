"""Events: no listener slows the engine, and one that falls behind loses the oldest only."""

from __future__ import annotations

import threading

import pytest

from batch_manager.events import EventBus, Notice, RunView, Subscription


def notices(start: int, stop: int) -> list[Notice]:
    return [Notice(number, f"{number}") for number in range(start, stop)]


def test_every_listener_gets_what_came_since_it_listened() -> None:
    bus = EventBus()
    first = bus.subscribe()
    for notice in notices(0, 3):
        bus.publish(notice)
    second = bus.subscribe()
    bus.publish(Notice(3, "3"))
    assert first.drain() == notices(0, 4)
    assert second.drain() == notices(3, 4)
    assert first.drain() == []


def test_one_that_left_gets_nothing() -> None:
    bus = EventBus()
    listener = bus.subscribe()
    bus.unsubscribe(listener)
    bus.unsubscribe(listener)
    bus.publish(Notice(0, "0"))
    assert listener.drain() == []


def test_the_oldest_give_way() -> None:
    listener = Subscription(10)
    for notice in notices(0, 1000):
        listener.put(notice)
    assert listener.drain() == notices(990, 1000)


def test_listeners_that_sleep_keep_the_newest_and_hold_nobody_up() -> None:
    bus = EventBus()
    listeners = [bus.subscribe() for _ in range(20)]
    for notice in notices(0, 10_000):
        bus.publish(notice)
    assert all(len(listener.drain()) == 4096 for listener in listeners)


def test_waiting() -> None:
    listener = Subscription(10)
    assert not listener.wait(0)
    threading.Timer(0.02, listener.put, [Notice(0, "0")]).start()
    assert listener.wait(5)
    assert listener.drain() == notices(0, 1)
    assert not listener.wait(0)


def test_a_thread_that_publishes_and_one_that_drains() -> None:
    bus = EventBus()
    listener = bus.subscribe(64)
    count = 50_000

    def publish() -> None:
        for notice in notices(0, count):
            bus.publish(notice)

    writer = threading.Thread(target=publish)
    writer.start()
    seen: list[int] = []
    while writer.is_alive():
        seen += [event.sequence for event in listener.drain()]
    writer.join()
    seen += [event.sequence for event in listener.drain()]
    assert seen == sorted(set(seen)), "in order, none twice"
    assert seen[-1] == count - 1, "the newest is never lost"


def test_values_are_frozen() -> None:
    with pytest.raises(AttributeError):
        RunView().state = "running"  # type: ignore[misc]
    assert not RunView().active
    assert RunView(state="paused").active
