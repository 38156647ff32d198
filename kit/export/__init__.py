"""From a checkpoint to an ONNX graph that keeps the graph waist, behind the parity gate.

``graph`` writes the file, ``parity`` compares it with what it was made from on real pictures, and
``export`` puts both together: a bundle appears only when the gate lets it through.
"""
