"""Torch-free: from a bundle to boxes. fit -> backend -> suppress -> undo the fit."""
