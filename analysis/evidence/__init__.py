"""What the evidence for the claims is made of, at several scales."""
