"""``python -m medmae.cli`` is the command, too."""

from medmae.cli import main

main()
