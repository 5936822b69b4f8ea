"""Standard streams that outlast their readers: what nobody reads any more is dropped."""

import errno
import os
import sys
from typing import Any, TextIO

#: Nobody reads: the pipe's or the terminal's other end is gone, or the descriptor was closed. A
#: full disk under a file is an error like any other.
_NO_READER = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO)


def outlast_readers() -> None:
    """Let a closed terminal, `| head` or a closed descriptor change no exit code.

    Descriptors 0 to 2 that are closed are opened on the null device first: the next file to be
    opened would get their numbers, and what libraries print with it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(number, "w", encoding="utf-8", errors="replace", closefd=False)
        setattr(sys, name, _Lasting(stream))


class _Lasting:
    """A text stream that turns to the null device when it cannot be written to."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop_or_raise(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._drop_or_raise(error)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _drop_or_raise(self, error: OSError) -> None:
        if error.errno not in _NO_READER:
            raise error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)
        self._stream.flush()  # what is left in its buffer goes there, too
