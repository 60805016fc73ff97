"""Debian's Chromium, driven through a pipe: no library and no port."""
