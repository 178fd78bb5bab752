"""Whatever a node knows of people: accounts, who vouches for them, their trips, and the manifests of its flights.

passwords.py   hashing, in a bounded pool
throttle.py    how long a guesser waits
accounts.py    registering and logging in
asking.py      one question to another carrier
vouching.py    an account of one airline, logged in at another
trips.py       a traveller's bookings, at whichever airline they were bought
manifest.py    passengers' names, owed to the carriers that fly them
routes.py      what other carriers may ask of all this
"""
