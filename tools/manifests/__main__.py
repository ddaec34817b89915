"""Install Kustomize (`python -m tools.manifests install`), or write the generated manifests (`... make`)."""

import sys

from tools.manifests.kustomize import install
from tools.manifests.made import MADE

match sys.argv[1:]:
    case ["install"]:
        install()
    case ["make"]:
        for path, text in MADE.items():
            path.write_text(text(), encoding="utf-8")
    case _:
        sys.exit(__doc__)
