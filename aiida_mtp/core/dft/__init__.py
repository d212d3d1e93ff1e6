"""Density functional theory with any calculator of ASE: the executable ``mtp-dft``."""
