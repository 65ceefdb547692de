"""Materials: what a table is made of. Nothing here knows which tables exist."""
