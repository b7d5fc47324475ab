"""`python -m gpt2course` is the command `gpt2course`."""

import sys

from gpt2course.cli import main

if __name__ == "__main__":
    sys.exit(main())
