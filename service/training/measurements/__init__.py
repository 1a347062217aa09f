"""Measurements on a network: loss landscape, gradient variance, curvature (torch)."""
