"""Whole jobs, from files to a bundle and from a bundle to figures; interfaces call these."""
