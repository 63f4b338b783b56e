"""Run the command line as ``python -m pgmel``."""

from pgmel.interfaces.cli import main

if __name__ == "__main__":
    main()
