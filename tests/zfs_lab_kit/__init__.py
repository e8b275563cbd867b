"""Real OpenZFS for tests, on machines that cannot load it: a Debian guest in QEMU without KVM, built once, restored in seconds per test.

`zfs_lab.py` beside this folder is its face. Parts, each made once and kept under its own key (parts.py): the kernel with zfs.ko
(module.py), Debian 13 with OpenZFS's programs (system.py), Python packages (wheels.py), the disk that boots (image.py). Then saved
states of the running guest (states.py), from which each test gets a machine (machine.py) and talks to its agent (connection.py).
"""
