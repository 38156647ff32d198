"""From a checkpoint to ONNX, behind the parity gate."""
