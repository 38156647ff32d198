"""Grids of fine-tunings: planned, run, and read with their intervals.

A ``Study`` (study.py) is the YAML as it is written; its ``Cell``s (cell.py) are the trainings it
asks for, each a directory that stands alone. ``run`` fills the directories, here or on Ray;
``results`` reads them back, and everything that follows looks only at those.
"""
