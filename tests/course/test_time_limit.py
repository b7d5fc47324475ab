"""Code that never ends is left, and everything is as it was before."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

from gpt2course.course import exercises
from gpt2course.course.time_limit import AGAIN, TooLong, time_limit

ALARM = hasattr(signal, "setitimer")


def endless() -> None:
    while True:
        pass


def stubborn() -> None:
    while True:
        try:
            time.sleep(0.001)
        except:  # noqa: E722
            continue


def sleeping() -> None:
    time.sleep(60)


def limited(code: Callable, seconds: float = 0.1) -> float:
    """Run code under a limit that it reaches; after how many seconds that was."""
    began = time.monotonic()
    try:
        with time_limit(seconds, lambda code: code.co_filename == __file__) as start:
            start()
            code()
    except TooLong:
        return time.monotonic() - began
    pytest.fail("it ended, or was not limited")


def in_a_thread(code) -> list:
    """What the code returns when another thread runs it."""
    found: list = []
    thread = threading.Thread(target=lambda: found.append(code()))
    thread.start()
    thread.join(20)
    return found


@pytest.mark.skipif(not ALARM, reason="this system has no alarm")
@pytest.mark.parametrize("code", [endless, sleeping])
def test_the_main_thread_leaves_it_by_an_alarm(code) -> None:
    def handler(*_: object) -> None:
        pass

    before = signal.signal(signal.SIGALRM, handler)
    try:
        assert limited(code) < AGAIN
        assert signal.getsignal(signal.SIGALRM) is handler
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not ALARM, reason="this system has no alarm")
def test_code_that_catches_everything_is_left_all_the_same() -> None:
    before = sys.gettrace()
    assert limited(stubborn) < AGAIN + 1
    assert sys.gettrace() is before


@pytest.mark.skipif(not ALARM, reason="this system has no alarm")
def test_an_alarm_of_somebody_else_still_comes() -> None:
    came: list = []
    before = signal.signal(signal.SIGALRM, lambda *_: came.append(True))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        limited(endless)
        assert not came
        time.sleep(1)
        assert came == [True]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("main", [True, False])
def test_another_thread_leaves_it_too(main: bool, monkeypatch) -> None:
    if main:  # as on Windows
        monkeypatch.delattr(signal, "setitimer", raising=False)
        seconds = limited(endless)
    else:
        (seconds,) = in_a_thread(lambda: limited(endless))
    assert seconds < AGAIN
    assert "watch" not in {thread.name for thread in threading.enumerate()}


def test_what_ends_in_time_is_left_alone() -> None:
    for _ in range(2):
        with time_limit(0.05, lambda _: True) as start:
            start()
            start()
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("name", "answer", "line", "main"),
    [
        ("gpt2-needed", lambda p, fraction: endless(), "'while True:'", True),
        ("gpt2-needed", lambda p, fraction: endless(), "'while True:'", False),
        ("tokens-train", lambda words, n: itertools.count(), "", True),
        ("training-atomic", lambda text, path: endless(), "'while True:'", True),
        ("training-atomic", lambda text, path: endless(), "'while True:'", False),
        ("training-atomic", lambda text, path: stubborn(), "", True),
    ],
)
def test_an_answer_that_never_ends_is_told_so(
    name, answer, line, main, monkeypatch
) -> None:
    monkeypatch.setattr(exercises, "LIMIT", 0.2)

    def judged() -> tuple[bool, str]:
        return exercises._judge(name, answer)

    right, message = judged() if main else in_a_thread(judged)[0]
    assert not right
    assert message.startswith("your code had not ended after 0.2 seconds")
    assert line in message
