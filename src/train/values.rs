//! Numbers out of tensors.

use tch::{Device, Kind, Tensor};

/// All elements in order, widened.
pub fn to_f64(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double).contiguous();
    let mut values = vec![0f64; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
