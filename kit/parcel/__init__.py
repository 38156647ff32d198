"""One archive that carries a detector into a place without a network: `kit pack`, `kit unpack`.

A plain tar, not compressed (weights, wheels and pictures hardly shrink), of regular files in one
folder, NAME::

    manifest.json     first: what is inside, with size and sha256 of every file from README.txt on
    SHA256SUMS        of the manifest and of these, for `sha256sum --check`
    SHA256SUMS.sig    a signature over SHA256SUMS, where it was asked for
    README.txt        how to check and install it, for a machine without the kit
    requirements.txt  the lock of the wheels that are inside
    sbom.cdx.json     CycloneDX: the model and the wheels
    LICENCES.md, licences.json
    bundle/           the detector
    cards/            the cards of the pretrained model and the dataset, where they are known
    image/            REFERENCE.txt, or archive.tar for `docker load`
    licences/         the kit's own, and the texts that came with the wheels
    samples/          pictures to try it on, without names and metadata
    wheels/           every wheel the lock wants, and the kit's own

The archive of the same content is the same byte for byte: names in order, no times, no owners. So a
reader needs no judgement of what a tar may hold: from the manifest it knows every header, and what
is not exactly that is refused.
"""
