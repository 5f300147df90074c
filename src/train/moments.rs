//! How AdamW's two moments of a parameter are kept: in full, for some rows of an embedding, or in eight bits.
//!
//! **Rows.** A row that never had a gradient has moments of zero, and its update is its decay. Moments are kept for
//! the other rows only: of the 250,000 rows of a multilingual vocabulary a run sees few. The result is the dense
//! one bit for bit.
//!
//! **Eight bits** (arXiv 2110.02861): blocks of 256 numbers share a scale, their largest magnitude, and each is one
//! of 256 values from −1 to 1 (0 to 1) that are denser near 0. Which of the two next to it is dithered, a function of
//! place and step: a moment moves by less than half the distance of two values, which rounding to the nearest would
//! lose at every step. The second moment is kept as √v, which needs half of its range, and never becomes zero: m/√v
//! of a lost v is a step of any size (arXiv 2309.01507).

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::update::{Update, apply_all};

/// How moments are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    #[default]
    #[serde(rename = "f32")]
    Full,
    /// Of parameters with at least [`SMALLEST`] elements, and not of embeddings.
    #[serde(rename = "8bit")]
    EightBit,
}

/// Fewer elements are kept in full: they weigh nothing, and norms and biases are sensitive.
const SMALLEST: usize = 4096;
/// Numbers that share a scale.
const BLOCK: i64 = 256;
/// Elements that are unpacked at a time.
const PIECE: i64 = BLOCK << 12;
/// From this share of an embedding's rows on, they are kept in full.
const MANY_ROWS: f64 = 0.5;

/// First and second moment of one parameter.
pub enum Moments {
    Full([Tensor; 2]),
    Rows(Rows),
    EightBit(Box<[Packed; 2]>),
}

/// Moments of the rows that have had a gradient.
pub struct Rows {
    /// Their numbers [r], in the order in which they came.
    pub index_r: Tensor,
    /// [r, width]
    pub moments: [Tensor; 2],
}

impl Moments {
    pub fn new(param: &Tensor, precision: Precision, is_embedding: bool) -> Self {
        let none = |shape: &[i64]| [(); 2].map(|()| Tensor::zeros(shape, (param.kind(), param.device())));
        match precision {
            _ if is_embedding && param.dim() == 2 => Moments::Rows(Rows {
                index_r: Tensor::zeros([0], (Kind::Int64, param.device())),
                moments: none(&[0, param.size()[1]]),
            }),
            Precision::EightBit if param.numel() >= SMALLEST => {
                let packed = |signed| Packed::zeros(param.numel() as i64, signed, param.device());
                Moments::EightBit(Box::new([packed(true), packed(false)]))
            }
            _ => Moments::Full(none(&param.size())),
        }
    }

    /// Applies an update that [`apply_all`] cannot take as it is; `None` where it can.
    /// `step` counts updates.
    pub fn operands(&mut self, param: &Tensor, grad: &Tensor, update: &Update, step: u64) -> Option<[Tensor; 4]> {
        if let Moments::Rows(rows) = self {
            rows.admit(grad);
            if rows.index_r.numel() as f64 > MANY_ROWS * param.size()[0] as f64 {
                *self = Moments::Full(rows.spread(param));
            }
        }
        match self {
            Moments::Full([m, v]) => Some([param, grad, m, v].map(Tensor::shallow_clone)),
            Moments::Rows(rows) => {
                rows.apply(param, grad, update);
                None
            }
            Moments::EightBit(packed) => {
                apply_packed(packed, param, grad, update, step);
                None
            }
        }
    }

    /// Tensors by the beginnings of their names.
    pub fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        match self {
            Moments::Full([m, v]) => vec![("exp_avg", m.shallow_clone()), ("exp_avg_sq", v.shallow_clone())],
            Moments::Rows(Rows { index_r, moments: [m, v] }) => vec![
                ("rows", index_r.shallow_clone()),
                ("exp_avg", m.shallow_clone()),
                ("exp_avg_sq", v.shallow_clone()),
            ],
            Moments::EightBit(packed) => {
                let [m, v] = packed.as_ref();
                vec![
                    ("exp_avg_codes", m.codes.shallow_clone()),
                    ("exp_avg_scales", m.scales.shallow_clone()),
                    ("exp_avg_root_codes", v.codes.shallow_clone()),
                    ("exp_avg_root_scales", v.scales.shallow_clone()),
                ]
            }
        }
    }

    /// Takes what [`Moments::tensors`] gave from `take`, which is told name and shape (`None`: any).
    pub fn load<E>(
        &mut self,
        param: &Tensor,
        rows: Option<Tensor>,
        mut take: impl FnMut(&str, &[i64]) -> Result<Tensor, E>,
    ) -> Result<(), E> {
        let (device, shape) = (param.device(), param.size());
        if let Moments::EightBit(packed) = self {
            for (name, packed) in ["exp_avg", "exp_avg_root"].into_iter().zip(packed.iter_mut()) {
                packed.codes.copy_(&take(&format!("{name}_codes"), &packed.codes.size())?);
                packed.scales.copy_(&take(&format!("{name}_scales"), &packed.scales.size())?);
            }
            return Ok(());
        }
        let shape = match (&rows, shape.as_slice()) {
            (Some(rows), [_, width]) => vec![rows.numel() as i64, *width],
            _ => shape,
        };
        let mut one = |name: &str| take(name, &shape).map(|moment| moment.to_device(device).to_kind(param.kind()));
        let moments = [one("exp_avg")?, one("exp_avg_sq")?];
        *self = match rows {
            Some(rows) => Moments::Rows(Rows { index_r: rows.to_device(device), moments }),
            None => Moments::Full(moments),
        };
        Ok(())
    }
}

impl Rows {
    /// Adds the rows that have a gradient for the first time.
    fn admit(&mut self, grad: &Tensor) {
        // Largest and smallest in place of magnitudes: nothing of the gradient's size is allocated.
        let new_v = grad.amax([1], false).ne(0.0).logical_or(&grad.amin([1], false).ne(0.0));
        let _ = new_v.shallow_clone().index_fill_(0, &self.index_r, 0.0);
        let new = new_v.nonzero().view([-1]);
        if new.numel() > 0 {
            let none = self.moments[0].new_zeros([new.numel() as i64, grad.size()[1]], (grad.kind(), grad.device()));
            self.index_r = Tensor::cat(&[&self.index_r, &new], 0);
            self.moments = self.moments.each_ref().map(|moment| Tensor::cat(&[moment, &none], 0));
        }
    }

    fn spread(&self, param: &Tensor) -> [Tensor; 2] {
        self.moments.each_ref().map(|moment| param.zeros_like().index_copy(0, &self.index_r, moment))
    }

    fn apply(&mut self, param: &Tensor, grad: &Tensor, update: &Update) {
        let [rows, grads] = [param, grad].map(|all| all.index_select(0, &self.index_r));
        let [m, v] = &self.moments;
        apply_all(vec![(*update, [rows.shallow_clone(), grads, m.shallow_clone(), v.shallow_clone()])]);
        let mut param = param.shallow_clone();
        update.decay(&mut param);
        let _ = param.index_copy_(0, &self.index_r, &rows);
    }
}

/// Numbers in eight bits each.
pub struct Packed {
    /// [blocks · 256]
    codes: Tensor,
    /// [blocks]
    scales: Tensor,
    signed: bool,
}

impl Packed {
    fn zeros(n: i64, signed: bool, device: Device) -> Self {
        let blocks = (n + BLOCK - 1) / BLOCK;
        let zero = values(signed).iter().position(|value| *value == 0.0).unwrap_or(0) as i64;
        Self {
            codes: Tensor::full([blocks * BLOCK], zero, (Kind::Uint8, device)),
            scales: Tensor::zeros([blocks], (Kind::Float, device)),
            signed,
        }
    }

    /// Numbers `start..start + n`, where `start` begins a block.
    fn unpack(&self, start: i64, n: i64, table: &Tensor) -> Tensor {
        let blocks = (n + BLOCK - 1) / BLOCK;
        let codes = self.codes.narrow(0, start, blocks * BLOCK).to_kind(Kind::Int64);
        let scales = self.scales.narrow(0, start / BLOCK, blocks);
        (table.index_select(0, &codes).view([blocks, BLOCK]) * scales.unsqueeze(1)).view([-1]).narrow(0, 0, n)
    }

    /// Takes numbers from `start` on; `dither` says for each from which part of the way between two values on it
    /// becomes the upper one.
    fn pack(&mut self, start: i64, numbers: &Tensor, table: &Tensor, dither: &Tensor) {
        let n = numbers.numel() as i64;
        let blocks = (n + BLOCK - 1) / BLOCK;
        let blocked = |x: &Tensor| x.constant_pad_nd([0, blocks * BLOCK - n]).view([blocks, BLOCK]);
        let (numbers, dither) = (blocked(numbers), blocked(dither));
        let scales = numbers.abs().amax([1], false);
        let unit = &numbers / scales.clamp_min(f64::from(f32::MIN_POSITIVE)).unsqueeze(1);
        let lower = (unit.bucketize(table, false, true) - 1).clamp(0, 254);
        let value = |codes: &Tensor| table.index_select(0, &codes.view([-1])).view_as(codes);
        let (below, above) = (value(&lower), value(&(&lower + 1)));
        let mut codes = &lower + ((unit - &below) / (above - below)).gt_tensor(&dither).to_kind(Kind::Int64);
        if !self.signed {
            // Nothing but zero is zero; the first value above it is number 1.
            codes = codes.maximum(&numbers.gt(0.0).to_kind(codes.kind()));
        }
        self.codes.narrow(0, start, blocks * BLOCK).copy_(&codes.view([-1]).to_kind(Kind::Uint8));
        self.scales.narrow(0, start / BLOCK, blocks).copy_(&scales);
    }
}

fn apply_packed([m, v]: &mut [Packed; 2], param: &Tensor, grad: &Tensor, update: &Update, step: u64) {
    let _no_grad = tch::no_grad_guard();
    let tables = [m.signed, v.signed].map(|signed| {
        let values: Vec<f32> = values(signed).into_iter().map(|value| value as f32).collect();
        Tensor::from_slice(&values).to_device(param.device())
    });
    let (flat, grad) = (param.view([-1]), grad.contiguous().view([-1]));
    let n = flat.numel() as i64;
    for start in (0..n).step_by(PIECE as usize) {
        let len = PIECE.min(n - start);
        let (first, root) = (m.unpack(start, len, &tables[0]), v.unpack(start, len, &tables[1]));
        let second = root.square();
        let [param, grad] = [&flat, &grad].map(|all| all.narrow(0, start, len));
        apply_all(vec![(*update, [param, grad, first.shallow_clone(), second.shallow_clone()])]);
        let by_place = dither(start, len, step, flat.device());
        m.pack(start, &first, &tables[0], &by_place);
        v.pack(start, &second.sqrt(), &tables[1], &(by_place + 0.5).frac());
    }
}

/// Numbers in [0, 1), evenly spread over neighbours in place and in time (the additive recurrence of the plane's
/// generalised golden ratio): [len].
fn dither(start: i64, len: i64, step: u64, device: Device) -> Tensor {
    const BY_PLACE: f64 = 0.754_877_666_246_692_7;
    const BY_STEP: f64 = 0.569_840_290_998_053_2;
    let places = Tensor::arange_start(start, start + len, (Kind::Double, device));
    (places * BY_PLACE + (step % (1 << 32)) as f64 * BY_STEP).frac().to_kind(Kind::Float)
}

/// The 256 values of a code, ascending: seven decades, of which each higher one has twice as many values, spread
/// evenly between its tenth and itself, on both sides of zero or on one; zero, and one.
fn values(signed: bool) -> Vec<f64> {
    const DECADES: i32 = 7;
    let mut all = vec![0.0, 1.0];
    for decade in 0..DECADES {
        let n = 1 << (decade + i32::from(!signed));
        let width = 0.9 / f64::from(n);
        let size = 10f64.powi(decade + 1 - DECADES);
        for at in 0..n {
            let value = size * (0.1 + width * (f64::from(at) + 0.5));
            all.push(value);
            all.extend(signed.then_some(-value));
        }
    }
    all.sort_by(f64::total_cmp);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_256_values_each_once() {
        for signed in [true, false] {
            let mut values = values(signed);
            assert_eq!((values.len(), values[255]), (256, 1.0));
            values.dedup();
            assert_eq!(values.len(), 256);
        }
        // The published map of 8 bits, unsigned: 3.25e-7 and 7.75e-7 are its smallest, 0.9929… its last but one.
        let unsigned = values(false);
        assert!((unsigned[1] - 3.25e-7).abs() < 1e-12 && (unsigned[2] - 7.75e-7).abs() < 1e-12);
        assert!((unsigned[254] - (1.0 - 0.45 / 128.0)).abs() < 1e-12);
    }

    #[test]
    fn packing_keeps_numbers_to_a_few_percent_and_never_loses_them() {
        tch::manual_seed(2);
        let n = 3 * BLOCK + 17;
        for signed in [true, false] {
            let exponent = Tensor::rand([n], (Kind::Float, Device::Cpu)) * -4.0;
            let sign = if signed { Tensor::randn([n], (Kind::Float, Device::Cpu)).sign() } else { Tensor::from(1f32) };
            let numbers = Tensor::from(10f32).pow(&exponent) * sign * 5.0;
            let table: Vec<f32> = values(signed).into_iter().map(|value| value as f32).collect();
            let table = Tensor::from_slice(&table);
            let mut packed = Packed::zeros(n, signed, Device::Cpu);
            assert_eq!(packed.unpack(0, n, &table).abs().max().double_value(&[]), 0.0);
            packed.pack(0, &numbers, &table, &dither(0, n, 1, Device::Cpu));
            let error = ((packed.unpack(0, n, &table) - &numbers) / &numbers).abs();
            // Values of a decade are 0.9/n of its size apart, and dithering is off by a third of that on average: over
            // the numbers of a decade 1.17/n of them, for n = 64, 32, 16 and 8, or twice as many: 6.9 and 3.4 %.
            let expected = if signed { 0.069 } else { 0.034 };
            let found = error.mean(Kind::Float).double_value(&[]);
            assert!((found / expected - 1.0).abs() < 0.25, "{signed}: {found}");
            let tiny = Tensor::from_slice(&[1.0f32, 1e-12]).constant_pad_nd([0, BLOCK - 2]);
            packed.pack(0, &tiny, &table, &dither(0, BLOCK, 1, Device::Cpu));
            let back = packed.unpack(0, BLOCK, &table);
            assert_eq!(back.double_value(&[1]) > 0.0, !signed);
            assert_eq!((back.double_value(&[0]), back.double_value(&[2])), (1.0, 0.0));
            // Over the steps a number between two values is itself on average.
            let one = Tensor::from_slice(&[1.0f32, 0.5003]).constant_pad_nd([0, BLOCK - 2]);
            let mean = (0..200u64).map(|step| {
                packed.pack(0, &one, &table, &dither(0, BLOCK, step, Device::Cpu));
                packed.unpack(0, BLOCK, &table).double_value(&[1]) / 200.0
            });
            assert!((mean.sum::<f64>() - 0.5003).abs() < 2e-4, "{signed}");
        }
    }
}
