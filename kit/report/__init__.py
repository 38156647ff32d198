"""From reports to one self-contained HTML page."""
