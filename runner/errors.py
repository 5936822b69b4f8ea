"""Every error that the runner raises on purpose, with the exit code that it leads to."""

import re


class RunnerError(Exception):
    """One line for the user: what came, what is allowed, what was kept, what to do next."""

    exit_code = 1


class ConfigError(RunnerError):
    """The configuration or the command line is refused; nothing was trained or written."""

    exit_code = 2


class DeviceError(ConfigError):
    """`device=gpu` was asked for, and there is no usable GPU."""


class ModelError(ConfigError):
    """A model of the user's own cannot be trained as it is: what is wrong, and what to write."""


class StoreError(RunnerError):
    """The tracking store cannot be used at the start of a sweep; nothing was trained."""

    exit_code = 2


class DataError(RunnerError):
    """A data set is missing, or its bytes are not the expected ones."""

    exit_code = 3


class StoreBehindError(RunnerError):
    """Every result is safe on disk, and the tracking store does not hold all of them yet."""

    exit_code = 4


class TimedOut(RunnerError):
    """A run was not at its end within `runner.time_limit_s`."""


class MetricError(RunnerError):
    """A user's own metric cannot be found, failed, or is no finite number."""

    exit_code = 2


class GaveWay(RunnerError):
    """A run did not fit on the GPU beside others; it can go on beside fewer."""


class CardLost(RunnerError):
    """A kernel's error left the GPU unusable for this process."""


class StateError(RunnerError):
    """A file of `state/` cannot be right; it is left as it is."""


def without_password(text: str) -> str:
    """A URI, or a text with URIs in it, without users and passwords: for messages and files."""
    return re.sub(r"//[^/\s]*@", "//***@", text)


def printable(text: str) -> str:
    """A line for a terminal: control characters and what it cannot show become `?`."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def short_text(value: object, longest: int = 80) -> str:
    """A value for a message: on one line, without control characters, cut after so many."""
    text = printable(str(value))
    return text if len(text) <= longest else text[: longest - 3] + "..."
