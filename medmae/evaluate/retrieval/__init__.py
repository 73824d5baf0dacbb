"""Finding things of one kind by things of another: of any two kinds, whatever said how similar they are."""
