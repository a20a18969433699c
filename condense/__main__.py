"""`python -m condense`: the command line."""

from condense.cli.main import main

if __name__ == "__main__":
    main()
