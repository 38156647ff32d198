"""How good is a detector: COCO AP by the reference evaluator, never our own."""
