"""The one training loop, for every family.

``job`` says what is trained on what and from where; ``loop`` trains it; ``start``, ``batches``,
``augment``, ``optimise``, ``validate`` and ``state`` are its parts, in the order it meets them.
"""
