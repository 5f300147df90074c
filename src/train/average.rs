//! Exponential moving average of the parameters: `e ← d·e + (1−d)·p` after every update.

use std::collections::BTreeMap;

use tch::Tensor;

use super::optimizer::OptimizerError;

/// Averages of the trained parameters by name.
pub struct Average {
    decay: f64,
    averages: BTreeMap<String, Tensor>,
}

impl Average {
    /// Starts at the parameters as they are.
    pub fn new<'a>(params: impl IntoIterator<Item = (&'a str, &'a Tensor)>, decay: f64) -> Self {
        let _no_grad = tch::no_grad_guard();
        let averages = params.into_iter().map(|(name, param)| (name.to_owned(), param.detach().copy())).collect();
        Self { decay, averages }
    }

    pub fn update<'a>(&mut self, params: impl IntoIterator<Item = (&'a str, &'a Tensor)>) {
        let _no_grad = tch::no_grad_guard();
        for (name, param) in params {
            if let Some(average) = self.averages.get_mut(name) {
                let _ = average.lerp_(param, 1.0 - self.decay);
            }
        }
    }

    /// Exchanges averages and parameters; a second call undoes the first, bit for bit.
    pub fn swap<'a>(&mut self, params: impl IntoIterator<Item = (&'a str, &'a Tensor)>) {
        let _no_grad = tch::no_grad_guard();
        for (name, param) in params {
            if let Some(average) = self.averages.get_mut(name) {
                let kept = param.detach().copy();
                param.shallow_clone().copy_(average);
                average.copy_(&kept);
            }
        }
    }

    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.averages
    }

    /// Takes what [`Average::tensors`] gave; names and shapes must fit exactly.
    pub fn load(&mut self, mut saved: BTreeMap<String, Tensor>) -> Result<(), OptimizerError> {
        let _no_grad = tch::no_grad_guard();
        for (name, average) in &mut self.averages {
            let found = saved.remove(name).ok_or_else(|| OptimizerError::Missing { name: name.clone() })?;
            if found.size() != average.size() {
                let expected = average.size();
                return Err(OptimizerError::Shape { name: name.clone(), expected, found: found.size() });
            }
            average.copy_(&found);
        }
        match saved.is_empty() {
            true => Ok(()),
            false => Err(OptimizerError::Unused { names: saved.into_keys().collect() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_move_and_swap_back() {
        let param = Tensor::from_slice(&[0.0f64, 4.0]).set_requires_grad(true);
        let mut average = Average::new([("w", &param)], 0.75);
        tch::no_grad(|| param.shallow_clone().copy_(&Tensor::from_slice(&[4.0f64, 4.0])));
        average.update([("w", &param)]);
        let values = |tensor: &Tensor| Vec::<f64>::try_from(tensor.detach()).unwrap();
        assert_eq!(values(&average.tensors()["w"]), [1.0, 4.0]);
        average.swap([("w", &param)]);
        assert_eq!((values(&param), values(&average.tensors()["w"])), (vec![1.0, 4.0], vec![4.0, 4.0]));
        average.swap([("w", &param)]);
        assert_eq!(values(&param), [4.0, 4.0]);
    }
}
