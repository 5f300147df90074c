//! Whether libtorch records what is computed.
//!
//! Forward passes without gradients may leave libtorch for kernels of our own; passes that will be
//! differentiated may not, since autograd would know nothing of them.

use std::cell::Cell;

use tch::{Device, Kind};

thread_local! {
    /// What is computed now will be computed once more, with recording.
    static AGAIN: Cell<bool> = const { Cell::new(false) };
}

/// Computes without recording, by the operations of a pass that records.
pub fn as_if_recording<T>(compute: impl FnOnce() -> T) -> T {
    let before = AGAIN.replace(true);
    let computed = tch::no_grad(compute);
    AGAIN.set(before);
    computed
}

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

/// Whether this is a forward pass of training: one that records, or that will be computed again with recording.
pub fn trains() -> bool {
    AGAIN.get() || records_gradients()
}

/// Whether a forward pass may use kernels of our own.
pub fn may_leave_libtorch(device: Device, kind: Kind) -> bool {
    device == Device::Cpu && matches!(kind, Kind::Float | Kind::BFloat16) && !trains()
}
