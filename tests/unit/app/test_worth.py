"""What the page says of a detector's worth."""

from __future__ import annotations

from pathlib import Path

import pytest

from doubles.reports import evaluation_report, latency_report
from kit.app.settings import Settings
from kit.app.shelf import Shelf
from kit.app.worth import card_page, worth

