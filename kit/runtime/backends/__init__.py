"""One file per inference engine, found by its name; see :class:`kit.types.Backend`."""
