"""CLI tests of what is shown and asked on a screen: widths, confirmations, completion, Ctrl-C."""
