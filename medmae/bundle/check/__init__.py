"""``medmae check``: is a bundle safe to run, complete, and does it do what it says."""
