"""What can be wrong with an authority: known also where there is none, and nothing of what it is made of is loaded."""


class AuthorityError(Exception):
    """An authority cannot do what it is for; the text says why."""
