"""python -m fonoteca."""

from fonoteca.cli import main

if __name__ == "__main__":
    main()
