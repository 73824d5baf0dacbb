"""Action units of faces: what networks say under occlusion, and how right it is."""
