"""Unit tests of the simulator, called over HTTP as a client would."""
