"""Where objects come from. A source does the I/O and hands over writes; nothing reads it."""
