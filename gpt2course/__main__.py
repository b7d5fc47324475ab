"""`python -m gpt2course` is the command `gpt2course`."""

import os
import sys

from gpt2course.cli import main

if __name__ == "__main__":
    # Python puts the current folder first; a regex.py there is not the package regex
    if sys.path[0] in ("", os.getcwd()):
        sys.path.append(sys.path.pop(0))
    sys.exit(main())
