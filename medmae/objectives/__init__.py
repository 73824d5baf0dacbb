"""Losses: prediction, target, mask -> named scalars. Each states its reduction once."""
