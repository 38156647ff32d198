"""Stand-ins for what the machines of the tests do not have."""
