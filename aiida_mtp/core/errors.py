"""What the user can mend."""


class InputError(ValueError):
    """A mistake in a user's input, in one line: the value, the place and the remedy.

    Executables print it without a traceback and exit with a non-zero code.
    """
