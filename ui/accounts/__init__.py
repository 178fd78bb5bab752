"""Registering, logging in and out, and logging in with another airline's account.

rules.py     what makes a password good
forms.py     what was typed, and what is wrong with it
routes.py    an account of this airline
vouching.py  an account of another airline, and ours at theirs
"""

from ui.accounts.routes import ROOM

__all__ = ["ROOM"]
