"""The names of the media that suites run over. tests/contract/media.cc says what each of them is;
//tests/contract:media_test compares the two."""

# For suites to which a doorbell makes no difference.
CORE_MEDIA = [
    "inproc",
    "local",
    "local_socket",
    "unix",
    "unix_abstract",
    "shm",
    "tcp",
    "pipe",
    "fifo",
    "mqueue",
    "sysvmq",
    "trickle_unix",
]

# Each memory and each doorbell once; "shm" is memfd with eventfd.
MEDIA = CORE_MEDIA + [
    "shm_memfd_futex",
    "shm_posix_posix_sem",
    "shm_sysv_sysv_sem",
    "shm_memfd_signal",
]

# All other combinations. Their tests are tagged "manual":
#
#   bazel test //tests/contract:shm_combinations //tests/conformance:shm_combinations
RARE_MEDIA = [
    "shm_memfd_posix_sem",
    "shm_memfd_sysv_sem",
    "shm_posix_eventfd",
    "shm_posix_futex",
    "shm_posix_sysv_sem",
    "shm_posix_signal",
    "shm_sysv_eventfd",
    "shm_sysv_futex",
    "shm_sysv_posix_sem",
    "shm_sysv_signal",
]
