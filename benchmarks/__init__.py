"""How fast training and evaluation are, beside DeZero as shipped, PyTorch, and what this machine
could do at best."""
