"""The one exception that is meant for people."""


class UserError(Exception):
    """One line that names the file, key or row at fault, and the way out."""
