"""The commands on the database's schema."""
