//! Weights on the simplex that make a combination of vectors shortest (MORE; Désidéri 2012).
//!
//! min ‖Σ λ_t v_t‖², λ ≥ 0, Σ λ = 1. Mass moves from the support's worst vector to the best one, each time by
//! the exact optimum of that move (pairwise Frank–Wolfe: Lacoste-Julien and Jaggi, arXiv 1511.05932), until
//! no move can gain. For two vectors the first move is the closed form λ₁ = clip((v₂ − v₁)·v₂ / ‖v₁ − v₂‖², 0, 1).

/// Moves at most; each shrinks what is left by a constant factor.
const MOVES: usize = 20_000;

/// The weights of `vectors`, which are equally long. Empty for none.
pub fn weights(vectors: &[Vec<f64>]) -> Vec<f64> {
    let n = vectors.len();
    if n == 0 {
        return Vec::new();
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let gram: Vec<Vec<f64>> = vectors.iter().map(|a| vectors.iter().map(|b| dot(a, b)).collect()).collect();
    let scale = (0..n).map(|i| gram[i][i]).fold(0.0, f64::max);
    let mut weights = vec![1.0 / n as f64; n];
    // Products of each vector with the combination.
    let mut products: Vec<f64> = gram.iter().map(|row| dot(row, &weights)).collect();
    for _ in 0..MOVES {
        let by_product = |a: &usize, b: &usize| products[*a].total_cmp(&products[*b]);
        let (Some(to), Some(from)) =
            ((0..n).min_by(by_product), (0..n).filter(|&i| weights[i] > 0.0).max_by(by_product))
        else {
            break;
        };
        let gain = products[from] - products[to];
        if gain <= 1e-15 * scale {
            break;
        }
        let curvature = gram[to][to] + gram[from][from] - 2.0 * gram[to][from];
        let step = if curvature > 0.0 { (gain / curvature).min(weights[from]) } else { weights[from] };
        weights[to] += step;
        weights[from] = if step >= weights[from] { 0.0 } else { weights[from] - step };
        for (product, row) in products.iter_mut().zip(&gram) {
            *product += step * (row[to] - row[from]);
        }
    }
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_vectors_have_a_closed_form() {
        for (a, b) in [([1.0f64, 0.2], [-0.3, 0.9]), ([1.0, 0.0], [2.0, 0.1]), ([0.5, 0.5], [0.5, -0.5])] {
            let difference: [f64; 2] = [a[0] - b[0], a[1] - b[1]];
            let expected = (-(difference[0] * b[0] + difference[1] * b[1])
                / (difference[0].powi(2) + difference[1].powi(2)))
            .clamp(0.0, 1.0);
            let found = weights(&[a.to_vec(), b.to_vec()]);
            assert!((found[0] - expected).abs() < 1e-12 && (found[0] + found[1] - 1.0).abs() < 1e-12, "{found:?}");
        }
    }

    /// At the optimum every vector in the support has the same product with the combination, all others a
    /// larger one (Karush, Kuhn and Tucker).
    #[test]
    fn many_vectors_meet_the_conditions_of_the_optimum() {
        let vectors: Vec<Vec<f64>> =
            (0..12).map(|i| (0..30).map(|k| crate::random::uniform(i, "v", [k as u8]) - 0.4).collect()).collect();
        let found = weights(&vectors);
        let combination: Vec<f64> = (0..30).map(|k| vectors.iter().zip(&found).map(|(v, w)| v[k] * w).sum()).collect();
        let norm: f64 = combination.iter().map(|x| x * x).sum();
        for (vector, weight) in vectors.iter().zip(&found) {
            let product: f64 = vector.iter().zip(&combination).map(|(x, y)| x * y).sum();
            assert!(product >= norm - 1e-10, "{product} under {norm}");
            assert!(*weight == 0.0 || (product - norm).abs() < 1e-9, "{product} not {norm} at {weight}");
        }
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn identical_vectors_share() {
        let found = weights(&[vec![1.0, 2.0], vec![1.0, 2.0]]);
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-15 && found.iter().all(|w| *w >= 0.0));
        assert_eq!((weights(&[]), weights(&[vec![3.0]])), (vec![], vec![1.0]));
    }
}
