"""Values that are made when first asked for."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, final

__all__ = ["Lazy"]

T = TypeVar("T")


@final
class Lazy(Generic[T]):
    """A value that is made when first asked for, once, whichever thread asks."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: list[T] = []

    def __call__(self) -> T:
        """Return the value."""
        with self._lock:
            if not self._value:
                self._value.append(self._make())
            return self._value[0]
