"""Synthesis of contrasts: volumes out, scores, uncertainty, pictures."""
