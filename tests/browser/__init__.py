"""Tests of the board in a real browser: Debian's Chromium, driven by Playwright."""
