"""The one exception for mistakes that a user can mend."""


class BadInput(Exception):
    """The input cannot be run; the message names the culprit and the cure. The command line prints it and exits 2."""
