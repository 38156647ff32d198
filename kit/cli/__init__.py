"""One file per verb: ``kit train`` is ``train.py``, ``kit data check`` is ``data/check.py``.

A verb's module docstring is its help (the first line stands in ``kit --help``), and it has two
functions: ``arguments(parser)`` declares its options, ``run(args, out)`` does the work, prints for
people through ``out`` and returns what ``--json`` writes. The folder is the list of verbs.
"""
