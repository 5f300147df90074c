//! Rows of numbers: as they are, or as codes of a product quantiser (Jégou, Douze and Schmid 2011).

use super::reading::Bytes;

/// Codes of one part of a row.
const CODES: usize = 256;

#[derive(Debug)]
pub enum Matrix {
    Dense { width: usize, values: Vec<f32> },
    Quantised(Quantised),
}

#[derive(Debug)]
pub struct Quantised {
    rows: usize,
    width: usize,
    codes: Vec<u8>,
    parts: Parts,
    /// Lengths of rows, coded likewise, where directions alone were quantised.
    norms: Option<(Vec<u8>, Parts)>,
}

/// Centroids of the parts that a row is cut into; the last part may be shorter.
#[derive(Debug)]
struct Parts {
    n: usize,
    width: usize,
    last: usize,
    centroids: Vec<f32>,
}

impl Parts {
    fn read(bytes: &mut Bytes<'_>) -> Result<Self, String> {
        let (dim, n, width, last) = (bytes.count()?, bytes.count()?, bytes.count()?, bytes.count()?);
        let whole = n.checked_sub(1).and_then(|before| before.checked_mul(width)).and_then(|sum| sum.checked_add(last));
        if whole != Some(dim) || last > width {
            return Err(format!("{n} parts of {width} numbers, the last of {last}, are no row of {dim}"));
        }
        let centroids = bytes.floats(dim.checked_mul(CODES).ok_or("the file ends before so many numbers")?)?;
        Ok(Self { n, width, last, centroids })
    }

    /// The numbers that a code of a part stands for.
    fn centroid(&self, part: usize, code: u8) -> &[f32] {
        let width = if part + 1 == self.n { self.last } else { self.width };
        let start = part * CODES * self.width + usize::from(code) * width;
        &self.centroids[start..start + width]
    }
}

impl Matrix {
    pub fn read(bytes: &mut Bytes<'_>, quantised: bool) -> Result<Self, String> {
        if !quantised {
            let (rows, width) = (bytes.long_count()?, bytes.long_count()?);
            let n = rows.checked_mul(width).filter(|_| width > 0).ok_or(format!("{rows} × {width} numbers"))?;
            return Ok(Matrix::Dense { width, values: bytes.floats(n)? });
        }
        let with_norms = bytes.flag()?;
        let (rows, width, n_codes) = (bytes.long_count()?, bytes.long_count()?, bytes.count()?);
        let codes = bytes.take(n_codes)?.to_vec();
        let parts = Parts::read(bytes)?;
        if rows.checked_mul(parts.n) != Some(n_codes) || (parts.n - 1) * parts.width + parts.last != width {
            return Err(format!("{n_codes} codes for {rows} × {width} numbers"));
        }
        let norms = if with_norms {
            let codes = bytes.take(rows)?.to_vec();
            let norms = Parts::read(bytes)?;
            if (norms.n, norms.last) != (1, 1) {
                return Err("lengths of rows are single numbers".to_owned());
            }
            Some((codes, norms))
        } else {
            None
        };
        Ok(Matrix::Quantised(Quantised { rows, width, codes, parts, norms }))
    }

    pub fn rows(&self) -> usize {
        match self {
            Matrix::Dense { width, values } => values.len() / width,
            Matrix::Quantised(matrix) => matrix.rows,
        }
    }

    pub fn width(&self) -> usize {
        match self {
            Matrix::Dense { width, .. } => *width,
            Matrix::Quantised(matrix) => matrix.width,
        }
    }

    /// Adds a row to `sum`.
    pub fn add_row(&self, row: usize, sum: &mut [f32]) {
        match self {
            Matrix::Dense { width, values } => {
                let row = &values[row * width..][..*width];
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            Matrix::Quantised(matrix) => {
                let norm = matrix.norm(row);
                for part in 0..matrix.parts.n {
                    let centroid = matrix.part(row, part);
                    let sum = &mut sum[part * matrix.parts.width..];
                    sum.iter_mut().zip(centroid).for_each(|(sum, value)| *sum += norm * value);
                }
            }
        }
    }

    /// Σ row · vector.
    pub fn dot(&self, row: usize, vector: &[f32]) -> f32 {
        match self {
            Matrix::Dense { width, values } => {
                let row = &values[row * width..][..*width];
                row.iter().zip(vector).map(|(value, other)| value * other).sum()
            }
            Matrix::Quantised(matrix) => {
                let of_part = |part: usize| -> f32 {
                    let vector = &vector[part * matrix.parts.width..];
                    matrix.part(row, part).iter().zip(vector).map(|(value, other)| value * other).sum()
                };
                matrix.norm(row) * (0..matrix.parts.n).map(of_part).sum::<f32>()
            }
        }
    }
}

impl Quantised {
    fn part(&self, row: usize, part: usize) -> &[f32] {
        self.parts.centroid(part, self.codes[row * self.parts.n + part])
    }

    fn norm(&self, row: usize) -> f32 {
        self.norms.as_ref().map_or(1.0, |(codes, parts)| parts.centroid(0, codes[row])[0])
    }
}
