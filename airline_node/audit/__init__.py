"""`passcom audit` and what it is made of: logs read from wherever they lie, replayed side by side, verified, shown."""
