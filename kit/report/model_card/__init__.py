"""The model card: what is known of a bundle, from facts alone, as Markdown and HTML.

Sections follow the topics of three published lists, and name them:

- CLAIM: Tejani et al. 2024, "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024
  update", Radiology: Artificial Intelligence;
- MI-CLAIM: Norgeot et al. 2020, "Minimum information about clinical artificial intelligence
  modeling: the MI-CLAIM checklist", Nature Medicine;
- FUTURE-AI: Lekadir et al. 2025, "FUTURE-AI: international consensus guideline for trustworthy and
  deployable artificial intelligence in healthcare", BMJ.

A card that names a topic does not thereby comply with a list, and none is claimed to.
"""
