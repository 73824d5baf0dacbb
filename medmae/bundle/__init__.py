"""MONAI bundles: finding, running, building and checking them."""
