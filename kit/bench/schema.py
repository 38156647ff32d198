"""The JSON schema of what ``kit bench`` writes, from the dataclasses that it is.

python -m kit.bench.schema > docs/bench.schema.json
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from kit.bench.report import LatencyReport


def schema() -> dict[str, Any]:
    """Of a list of rows."""
    made = TypeAdapter(list[LatencyReport]).json_schema(mode="serialization")
    return {"title": "Rows of kit bench", **made}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
