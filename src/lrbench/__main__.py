"""``python -m lrbench``."""

from lrbench.cli.app import main

if __name__ == "__main__":
    main()
