"""A guard for objects that one thread may use at a time."""

from __future__ import annotations

import threading

from hopcodec.errors import StreamError


class OneThread:
    """Refuse a second thread while one is inside, as the compiled sessions do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise StreamError(
                "the session is in use by another thread: expected one thread per session"
            )

    def __exit__(self, *_: object) -> None:
        self._lock.release()
