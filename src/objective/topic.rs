//! What a prompt is about, as a short vector: for objectives that compare pairs of like prompts.
//!
//! Hashed counts of character trigrams, damped by √, of length 1. The cosine of two topics is the share of what they
//! have in common: 1 of equal prompts, near 0 of prompts in other words or scripts.

use crate::random;

/// Numbers of a topic.
const WIDTH: usize = 256;

/// The topic of a text; a text without three characters is about nothing in particular.
pub fn topic(text: &str) -> Vec<f64> {
    let lower: Vec<char> = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let mut counts = vec![0.0; WIDTH];
    for gram in lower.windows(3) {
        let key: String = gram.iter().collect();
        counts[((random::uniform(0, "topic", key) * WIDTH as f64) as usize).min(WIDTH - 1)] += 1.0f64;
    }
    let norm = counts.iter().sum::<f64>().sqrt();
    if norm == 0.0 {
        return vec![(WIDTH as f64).sqrt().recip(); WIDTH];
    }
    counts.iter().map(|count| count.sqrt() / norm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_texts_have_like_topics() {
        let cosine = |a: &str, b: &str| topic(a).iter().zip(topic(b)).map(|(a, b)| a * b).sum::<f64>();
        assert!((cosine("What is the capital of Chad?", "what is  the capital of chad?") - 1.0).abs() < 1e-12);
        let near = cosine("What is the capital of Chad?", "What is the capital of Mali?");
        let far = cosine("What is the capital of Chad?", "Schreibe ein Gedicht über den Herbst.");
        assert!(near > 0.7 && far < 0.4 && near > far, "{near} {far}");
        assert!((cosine("", "ab") - 1.0).abs() < 1e-12);
    }
}
