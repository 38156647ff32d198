"""Every parser of files from elsewhere, tried with damaged, hostile and random ones.

``targets`` lists the parsers with whole files for each, ``mutations`` makes others of those,
``nasty`` makes files that were thought up. ``zygote`` tries them, each parser in a process of its
own with little memory and an alarm, so that a crash, a hang or a flood is seen as what it is.
"""
