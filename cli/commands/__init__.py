"""The signature and the help of each command. Its work is in `cli/jobs`, in the file of the same name.

A command imports its job inside the function, when it runs: dlib, TensorFlow and numba take seconds to import, which
`facestream --help` and the other commands need not wait for.
"""
