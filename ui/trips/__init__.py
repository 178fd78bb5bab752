"""My trips: a traveller's bookings at all airlines."""
