"""From a model, a dataset and what was measured before to a recommendation with its evidence."""
