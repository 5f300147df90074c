//! Finding libtorch's devices.
