"""The ways of measuring: each takes a session and returns what it found."""
