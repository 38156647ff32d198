"""The page on the bundle that `make quickstart` made; `kit serve --help` tells of all the rest."""

from kit.cli.root import main

raise SystemExit(main(["serve"]))
