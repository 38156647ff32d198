"""From a folder of labelled pictures to a Manifest: formats, Dataset, doctor, split, sampling."""
