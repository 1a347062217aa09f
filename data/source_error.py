"""The error of everything that reads files, apart so that the unpickler needs no source module."""


class SourceError(ValueError):
    """The file can't be taken; the message says what was wrong with it and what is allowed."""
