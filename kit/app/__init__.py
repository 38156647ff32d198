"""The page a clinician opens: a Gradio app over opened bundles, private and offline.

Gradio stands in files that build a tab (``*_tab.py``) and in :mod:`kit.app.page`; the rest is plain
Python behind routes of our own. Pictures stay in memory: results are drawn by the browser, and what
is downloaded is made when it is asked for.
"""
