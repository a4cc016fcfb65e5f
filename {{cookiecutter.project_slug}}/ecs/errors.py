"""Errors that are the user's to fix."""


class UserError(Exception):
    """One sentence for the user: what is wrong, which rule, what to type instead."""
