"""The part of cuda-pathfinder that runner/engine/gpu/blas.py uses."""
