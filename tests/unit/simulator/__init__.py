"""The simulator, asked over HTTP as a client would."""
