# How GPAW is compiled: one process, with the libraries of Debian's packages.
mpi = False
compiler = 'g++'
libraries = ['xc', 'openblas', 'fftw3']
fftw = True
scalapack = False
nolibxc = False
