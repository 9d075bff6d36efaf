"""The overview that `certline top` shows: as a document, as lines of text, and as a screen that refreshes."""
