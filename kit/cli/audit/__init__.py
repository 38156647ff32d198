"""Verify the log that `kit serve --audit` writes."""
