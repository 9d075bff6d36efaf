"""The board: the line in a browser. It reads, and changes nothing."""
