"""How fast is it, measured through the same path that serves."""
