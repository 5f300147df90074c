//! How many pairs of each file and language an epoch has, and which.
//!
//! p(file) is given or as the files are; within a file p(language) ∝ min(n, cap)^α (temperature sampling as of
//! XLM, arXiv 1901.07291). Pairs of one file and language are a stratum. It gives a fixed number of pairs to every
//! epoch and goes through all of its pairs before any comes again, in a new order each time; where it stands is a
//! function of the epoch, so that nothing needs to be saved for an exact resume.

use std::collections::BTreeMap;

use super::prepare::TrainPair;
use super::settings::SamplingSettings;
use crate::lang::Lang;
use crate::random;

/// The strata of the training pairs.
#[derive(Debug, Clone, Default)]
pub struct Mixture {
    strata: Vec<Stratum>,
    seed: u64,
}

#[derive(Debug, Clone)]
struct Stratum {
    file: usize,
    lang: Lang,
    /// Indices of its pairs.
    pairs: Vec<usize>,
    /// How many an epoch has.
    quota: usize,
}

impl Mixture {
    /// Of `pairs`, of which `files` says where each is from (empty: all from one).
    pub fn new<E>(pairs: &[TrainPair<E>], files: &[usize], settings: &SamplingSettings, seed: u64) -> Self {
        let mut strata: BTreeMap<(usize, Lang), Vec<usize>> = BTreeMap::new();
        for (index, pair) in pairs.iter().enumerate() {
            // Without weights, files are one pool.
            let file = if settings.weights.is_empty() { 0 } else { files.get(pair.at).copied().unwrap_or(0) };
            strata.entry((file, pair.lang)).or_default().push(index);
        }
        let counted = |pairs: &Vec<usize>| pairs.len().min(settings.language_cap.unwrap_or(usize::MAX));
        let total: usize = strata.values().map(counted).sum();
        let mut of_file: BTreeMap<usize, f64> = BTreeMap::new();
        let tempered = |pairs: &Vec<usize>| (counted(pairs) as f64).powf(settings.temperature);
        for (&(file, _), pairs) in &strata {
            *of_file.entry(file).or_default() += tempered(pairs);
        }
        let share = |(&(file, _), pairs): (&(usize, Lang), &Vec<usize>)| {
            let weight = settings.weights.get(file).copied().unwrap_or(1.0);
            weight * tempered(pairs) / of_file.get(&file).copied().unwrap_or(1.0)
        };
        let quotas = apportion(&strata.iter().map(share).collect::<Vec<_>>(), total);
        let strata = strata.into_iter().zip(quotas);
        Self {
            strata: strata.map(|(((file, lang), pairs), quota)| Stratum { file, lang, pairs, quota }).collect(),
            seed,
        }
    }

    /// Pairs of epoch `epoch` (from 0), stratum by stratum.
    pub fn epoch(&self, epoch: u64) -> Vec<usize> {
        self.strata.iter().flat_map(|stratum| stratum.epoch(epoch, self.seed)).collect()
    }

    pub fn pairs_per_epoch(&self) -> usize {
        self.strata.iter().map(|stratum| stratum.quota).sum()
    }

    /// `an epoch draws 600 pairs: 300 of 900 (eng_Latn), 300 of 30 (tha_Thai)`.
    pub fn summary(&self) -> String {
        let many = self.strata.iter().any(|stratum| stratum.file > 0);
        let one = |stratum: &Stratum| {
            let file = if many { format!("file {}, ", stratum.file + 1) } else { String::new() };
            format!("{} of {} ({file}{})", stratum.quota, stratum.pairs.len(), stratum.lang)
        };
        let all: Vec<String> = self.strata.iter().map(one).collect();
        format!("an epoch draws {} pairs: {}", self.pairs_per_epoch(), all.join(", "))
    }
}

impl Stratum {
    fn epoch(&self, epoch: u64, seed: u64) -> impl Iterator<Item = usize> + '_ {
        let n = self.pairs.len().max(1) as u64;
        let (from, to) = (epoch * self.quota as u64, (epoch + 1) * self.quota as u64);
        let name = format!("{}\0{}\0", self.file, self.lang);
        let mut order: Option<(u64, Vec<usize>)> = None;
        (from..to).map(move |place| {
            let pass = place / n;
            if order.as_ref().is_none_or(|(cached, _)| *cached != pass) {
                let key = [name.as_bytes(), &pass.to_le_bytes()].concat();
                order = Some((pass, random::permutation(self.pairs.len(), seed, "stratum", key)));
            }
            let within = order.as_ref().map_or(0, |(_, order)| order[(place % n) as usize]);
            self.pairs[within]
        })
    }
}

/// `total` in whole numbers in proportion to `shares`, by largest remainders (the first among equals); at least 1
/// for what has a share, even where that makes the sum larger.
fn apportion(shares: &[f64], total: usize) -> Vec<usize> {
    let sum: f64 = shares.iter().sum();
    let ideal: Vec<f64> = shares.iter().map(|share| share / sum * total as f64).collect();
    let mut quotas: Vec<usize> =
        ideal.iter().map(|&ideal| if ideal > 0.0 { (ideal.floor() as usize).max(1) } else { 0 }).collect();
    let mut order: Vec<usize> = (0..shares.len()).filter(|&i| ideal[i] > 0.0).collect();
    order.sort_by(|&a, &b| (ideal[b] - quotas[b] as f64).total_cmp(&(ideal[a] - quotas[a] as f64)).then(a.cmp(&b)));
    let mut left = total.saturating_sub(quotas.iter().sum());
    while left > 0 && !order.is_empty() {
        for &index in order.iter().take(left) {
            quotas[index] += 1;
        }
        left = left.saturating_sub(order.len());
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::Label;
    use crate::train::PairSize;

    /// 90 English and 10 German pairs of file 0, 20 Thai of file 1.
    fn pairs() -> (Vec<TrainPair<()>>, Vec<usize>) {
        let pair = |at: usize| TrainPair {
            id: format!("i{at}").into(),
            source: format!("i{at}").into(),
            subset: "a".into(),
            lang: Lang::from_code(["eng_Latn", "deu_Latn", "tha_Thai"][usize::from(at >= 90) + usize::from(at >= 100)])
                .unwrap(),
            row: at as u64,
            label: Label::pair(None),
            weight: 1.0,
            size: PairSize::default(),
            encoded: (),
            at,
        };
        ((0..120).map(pair).collect(), (0..120).map(|at| usize::from(at >= 100)).collect())
    }

    fn quotas(settings: SamplingSettings) -> Vec<(usize, String, usize)> {
        let (pairs, files) = pairs();
        let mixture = Mixture::new(&pairs, &files, &settings, 3);
        mixture.strata.iter().map(|s| (s.file, s.lang.to_string(), s.quota)).collect()
    }

    #[test]
    fn languages_by_temperature_and_cap() {
        let plain = SamplingSettings::default();
        let only = |settings: SamplingSettings| quotas(settings).into_iter().map(|(_, _, n)| n).collect::<Vec<_>>();
        // In order of codes: German, English, Thai.
        assert_eq!(only(plain.clone()), [10, 90, 20]);
        assert_eq!(only(SamplingSettings { temperature: 0.0, ..plain.clone() }), [40, 40, 40]);
        // √10 : √90 : √20 = 3.16 : 9.49 : 4.47 of 120.
        assert_eq!(only(SamplingSettings { temperature: 0.5, ..plain.clone() }), [22, 67, 31]);
        assert_eq!(only(SamplingSettings { language_cap: Some(20), ..plain.clone() }), [10, 20, 20]);
        // A quarter from the first file, in which German and English are 1 : 9.
        let weighed = quotas(SamplingSettings { weights: vec![1.0, 3.0], ..plain });
        let expected = [(0, "deu_Latn", 3), (0, "eng_Latn", 27), (1, "tha_Thai", 90)];
        assert_eq!(weighed, expected.map(|(file, lang, n)| (file, lang.to_owned(), n)));
    }

    #[test]
    fn a_stratum_goes_through_its_pairs_before_it_repeats() {
        let (pairs, files) = pairs();
        let settings = SamplingSettings { weights: vec![1.0, 3.0], temperature: 0.0, ..SamplingSettings::default() };
        let mixture = Mixture::new(&pairs, &files, &settings, 3);
        let mut seen = vec![0; pairs.len()];
        for epoch in 0..12 {
            let drawn = mixture.epoch(epoch);
            assert_eq!(drawn.len(), mixture.pairs_per_epoch());
            drawn.into_iter().for_each(|pair| seen[pair] += 1);
            for range in [0..90, 90..100, 100..120] {
                let (least, most) = (seen[range.clone()].iter().min().unwrap(), seen[range].iter().max().unwrap());
                assert!(most - least <= 1);
            }
        }
        // 15 of English and of German, 90 of Thai in each of 12 epochs.
        assert_eq!((seen[..90].iter().sum::<u32>(), seen[90..100].iter().sum::<u32>()), (180, 180));
        assert_ne!(mixture.epoch(0), mixture.epoch(6));
        assert_eq!(mixture.epoch(5), Mixture::new(&pairs, &files, &settings, 3).epoch(5));
    }

    #[test]
    fn whole_numbers_in_proportion() {
        assert_eq!(apportion(&[1.0, 1.0, 1.0], 10), [4, 3, 3]);
        // What has a share has a pair, though the sum grows by it.
        assert_eq!(apportion(&[0.999, 0.0005, 0.0005], 100), [99, 1, 1]);
        assert_eq!(apportion(&[0.0, 2.0], 5), [0, 5]);
        assert_eq!(apportion(&[], 5), [0usize; 0]);
    }
}
