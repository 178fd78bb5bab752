"""`passcom book`: a trip is found and bought over a node's public API, as any partner's program would.

order.py    one order, asked for until its outcome is known
screen.py   what the person at the terminal sees
shapes.py   what a node answers
"""
