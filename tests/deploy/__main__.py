"""`python -m tests.deploy install` gets what the tests of the manifests need, `... make` writes the made manifests."""

import sys

from tests.deploy.kustomize import install
from tests.deploy.made import MADE

match sys.argv[1:]:
    case ["install"]:
        install()
    case ["make"]:
        for path, text in MADE.items():
            path.write_text(text(), encoding="utf-8")
    case _:
        sys.exit(__doc__)
