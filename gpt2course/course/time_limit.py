"""A limit for code that may never end, such as a learner's loop.

In the main thread, where Python handles signals, an alarm interrupts it, and even
`time.sleep`. In other threads, and on Windows, which has no such alarm, a second thread
does, as soon as Python is between two instructions.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import CodeType, FrameType

AGAIN = 1.0  # seconds until the next attempt, where code has caught the exception
LOOK = 0.05  # seconds between two looks at the clock, by the second thread

Clock = tuple[Callable[[], None], Callable[[], None]]  # start it, and stop it


class TooLong(BaseException):
    """Code has reached its limit of time.

    No Exception, so that `except Exception` in that code does not catch it.
    """


@contextlib.contextmanager
def time_limit(
    seconds: float, theirs: Callable[[CodeType], bool]
) -> Iterator[Callable[[], None]]:
    """Raise TooLong in this thread when code takes too long.

    Handlers and timers are afterwards as they were.

    Args:
        seconds: how long it may take from the last start on.
        theirs: tells the code that is limited from the code around it; the former is
            left even if it catches everything.

    Yields:
        a function that starts the time, and at each call starts it anew.

    Raises:
        TooLong: the time is over.
    """
    begin = _alarm if _has_alarm() else _watch
    start, stop = begin(seconds, theirs)
    try:
        yield start
    finally:
        stopped = False
        while not stopped:
            with contextlib.suppress(TooLong):  # it came at the very end
                stop()
                stopped = True


def _has_alarm() -> bool:
    """Whether a signal can interrupt this thread, and what it is for be restored."""
    return (
        hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is not None
    )


def _alarm(seconds: float, theirs: Callable[[CodeType], bool]) -> Clock:
    """By a signal, which Python handles in the main thread."""
    attempts = 0

    def late(_: int, frame: FrameType | None) -> None:
        nonlocal attempts
        attempts += 1
        if attempts > 1:
            # a bare except has caught the first one: raise from its own lines, too
            sys.settrace(lambda *_: None)
            while frame:
                if theirs(frame.f_code):
                    frame.f_trace = leave
                frame = frame.f_back
        raise TooLong

    def leave(_: FrameType, event: str, __: object) -> Callable:
        if event == "line":
            raise TooLong
        return leave

    began, tracing = time.monotonic(), sys.gettrace()
    before = signal.signal(signal.SIGALRM, late)
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)

    def stop() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(tracing)
        signal.signal(signal.SIGALRM, before)
        if left:  # somebody else's alarm
            due = max(left - (time.monotonic() - began), 0.001)
            signal.setitimer(signal.ITIMER_REAL, due, interval)

    return lambda: signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN), stop


def _watch(seconds: float, _: Callable[[CodeType], bool]) -> Clock:
    """By a second thread, which cannot look at the code that it interrupts."""
    limited, done, due = threading.get_ident(), threading.Event(), math.inf

    def watch() -> None:
        nonlocal due
        while not done.wait(LOOK):
            if time.monotonic() > due:
                due = time.monotonic() + AGAIN
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(limited), ctypes.py_object(TooLong)
                )

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()

    def start() -> None:
        nonlocal due
        due = time.monotonic() + seconds

    def stop() -> None:
        done.set()
        watcher.join()
        # An exception that is on its way is raised here, and caught by time_limit. To
        # take it back (set it to NULL) would make Python 3.11 hang in the next
        # function that sys.setprofile or sys.settrace looks at.
        for _ in range(10):
            pass

    return start, stop
