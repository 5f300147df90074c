//! Logistic length control: P(right) = σ(θ + β tanh(Δ/s)), Δ the chosen response's length less the rejected one's, s the
//! standard deviation of these differences (after Dubois et al. 2024).

use crate::logistic::Rows;

/// θ and β, and what clusters add to the terms of their gradient and curvature, as
/// [`one_step`](crate::logistic::one_step) wants them.
#[derive(Debug, Clone, PartialEq)]
pub struct Controlled {
    pub coefficients: Vec<f64>,
    pub terms: Vec<Vec<(u32, f64)>>,
}

/// Of (cluster, difference in length, credit). `None` where lengths do not differ; within, `None` where nothing fits.
pub fn controlled(items: &[(u32, f64, f64)]) -> Option<Option<Controlled>> {
    let n = items.len() as f64;
    let mean = items.iter().map(|(_, d, _)| d).sum::<f64>() / n;
    let sd = (items.iter().map(|(_, d, _)| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
    if sd.is_nan() || sd <= 0.0 {
        return None;
    }
    let mut rows = Rows::new(2);
    for (_, difference, credit) in items {
        rows.add(&[1.0, (difference / sd).tanh()], *credit);
    }
    let Some(coefficients) = rows.fit(&|_| 1.0, 0.0) else { return Some(None) };
    let of_cluster = |term: Vec<f64>| items.iter().map(|(cluster, ..)| *cluster).zip(term).collect();
    let terms = rows.terms(&coefficients).into_iter().map(of_cluster).collect();
    Some(Some(Controlled { coefficients, terms }))
}
