"""The published systems, one file each; `registry.methods()` lists them."""
