"""One module for each kind of command: the step that carries it out."""
