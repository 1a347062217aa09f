"""Readers of image files, a module a format. Nothing in a file is run, and reading is bounded."""
