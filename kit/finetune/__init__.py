"""The one training loop, for every family.

``prepare`` turns what the user asks for into a ``job``: what is trained on what, from where, by
which ``plan``; a ``rule`` fills in what the recipe leaves open. ``train`` trains it: on an
``engine``, through ``preflight`` and ``loop``; ``layout``, ``start``, ``front``, ``batches``,
``augment``, ``optimise``, ``validate`` and ``state`` are the loop's parts, as it meets them.
"""

import os

from kit import offline

# Threads that wait sleep instead of spinning. In one short try a step took about 3 % longer so on a
# quiet machine, and 1.7 s instead of 2.6 s beside one busy program: an indication, not a benchmark.
# It is read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
offline.seal("torch")
