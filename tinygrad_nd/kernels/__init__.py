"""NumPy arrays in, arrays out: what is computed. Nothing here has heard of a Tensor."""
