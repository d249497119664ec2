"""Operate: the one command line, mizan."""
