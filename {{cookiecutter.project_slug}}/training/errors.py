"""Errors that are the user's to mend."""


class UserError(Exception):
    """One sentence for the user: what is wrong, which rule, what to type instead."""


def one_line(text: object) -> str:
    """Return ``text`` with every run of white space as one blank, so that it stays one line."""
    return " ".join(str(text).split())
