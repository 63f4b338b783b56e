"""Run the command line as ``python -m pgmel``."""

from pgmel_start import main

if __name__ == "__main__":
    main()
