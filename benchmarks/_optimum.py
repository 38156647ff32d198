"""The best choice there is, by integer programming: what greedy orders are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def worth(objects: NDArray[Any]) -> float:
    """The objective of balanced samples: the sum over classes of ``log(1 + objects)``."""
    return float(np.log1p(objects).sum())


def optimum(table: NDArray[Any], cost: NDArray[Any], budget: float) -> float:
    """The most that :func:`worth` reaches for any choice of pictures within a budget.

    At whole numbers the logarithm is the least of the lines through two neighbouring ones, so the
    programme is linear, with a line for each object of the pool.

    Args:
        table: ``(P, C)`` objects of each class in each picture.
        cost: ``(P,)`` of the pictures.
        budget: what they may cost together.

    Raises:
        RuntimeError: the solver did not prove an optimum.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    pictures, classes = table.shape
    rows, above = [np.concatenate([cost, np.zeros(classes)])], [budget]
    for label, total in enumerate(table.sum(0)):
        for count in range(int(total)):
            slope = np.log1p(count + 1) - np.log1p(count)
            line = np.zeros(pictures + classes)
            line[:pictures], line[pictures + label] = -slope * table[:, label], 1
            rows.append(line)
            above.append(np.log1p(count) - slope * count)
    highest = np.log1p(table.sum(0))
    found = milp(
        -np.concatenate([np.zeros(pictures), np.ones(classes)]),
        integrality=np.concatenate([np.ones(pictures), np.zeros(classes)]),
        bounds=Bounds(0, np.concatenate([np.ones(pictures), highest])),
        constraints=LinearConstraint(np.array(rows), ub=np.array(above)),
        options={"mip_rel_gap": 0},
    )
    if found.status:
        raise RuntimeError(found.message)
    return worth(found.x[:pictures].round() @ table)
