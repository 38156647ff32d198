"""The one training loop, for every family.

``prepare`` turns what the user asks for into a ``job``: what is trained on what, and from where.
``train`` trains it: on an ``engine``, through ``preflight`` and ``loop``; ``start``, ``batches``,
``augment``, ``optimise``, ``validate`` and ``state`` are the loop's parts, as it meets them.
"""

import os

# Threads that wait sleep instead of spinning. On a quiet machine a step takes 3 % longer so; beside
# one busy program, two thirds of the time (both measured). It is read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
