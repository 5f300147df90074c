//! Whether libtorch records what is computed.
//!
//! Forward passes without gradients may leave libtorch for kernels of our own; passes that will be
//! differentiated may not, since autograd would know nothing of them.

use tch::{Device, Kind};

/// True between a gradient-recording forward pass's begin and end on this thread, that is, outside of
/// [`tch::no_grad`].
pub fn records_gradients() -> bool {
    // SAFETY: a switch of this thread, read by setting it and set back at once.
    unsafe {
        let before = torch_sys::at_grad_set_enabled(0);
        torch_sys::at_grad_set_enabled(before);
        before != 0
    }
}

/// Whether a forward pass may use kernels of our own.
pub fn may_leave_libtorch(device: Device, kind: Kind) -> bool {
    device == Device::Cpu && matches!(kind, Kind::Float | Kind::BFloat16) && !records_gradients()
}
