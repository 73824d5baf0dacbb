"""``python -m medmae`` is the command ``medmae``."""

from medmae.cli import main

if __name__ == "__main__":
    main()
