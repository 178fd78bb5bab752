"""Registering, logging in and out, and logging in with another airline's account.

rules.py   what makes a password good
desk.py    what these pages need of the node
"""
