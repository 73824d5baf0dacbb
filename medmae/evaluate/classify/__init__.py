"""Classification: the protocol, few labels, fine-tuning, and their scores."""
