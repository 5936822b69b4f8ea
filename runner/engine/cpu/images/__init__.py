"""Kernels over the pixels of images: convolutions and pools."""
