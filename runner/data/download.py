"""A file from a web server, within time limits."""

import contextlib
import http.client
import queue
import threading
import time
import urllib.error
import urllib.request

from runner.errors import DataError
from runner.system.faults import crash_point

#: Seconds for one address, from the name look-up to the end of the reply's header.
CONNECT_S = 5.0
#: The longest wait for the next bytes, in seconds.
STALL_S = 5.0
#: Seconds for one whole file.
FILE_S = 120.0


def fetch(url: str, limit: int) -> bytes:
    """The content of an address, cut off a little after `limit` bytes.

    Raises
    ------
    DataError
        When it cannot be had, or not within the time limits.
    """
    deadline = time.monotonic() + FILE_S
    try:
        with contextlib.closing(_open(url)) as response:
            parts = []
            while limit >= 0 and (part := response.read1(65536)):
                parts.append(part)
                limit -= len(part)
                crash_point("download_half")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not done within {FILE_S:.0f} s")
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(f"{url}: HTTP {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        # The same words whichever mirror was asked: that there is no network is told once.
        cause = getattr(error, "reason", None) or error
        why = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        raise DataError(f"no download: {why}") from None
    return b"".join(parts)


def _open(url: str) -> http.client.HTTPResponse:
    # A socket's time-out covers neither the name look-up nor the sum over a host's addresses; a
    # thread does.
    answer: queue.Queue[http.client.HTTPResponse | Exception] = queue.Queue(1)

    def ask() -> None:
        try:
            answer.put(urllib.request.urlopen(url, timeout=STALL_S))
        except Exception as error:
            answer.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        response = answer.get(timeout=CONNECT_S)
    except queue.Empty:
        raise TimeoutError(f"no answer within {CONNECT_S:.0f} s") from None
    if isinstance(response, Exception):
        raise response
    return response
