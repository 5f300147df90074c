//! Any number of responses to one prompt: sums of log-ratios of exponential sums.
//!
//! Every loss here is Σ w·[log Σ_{i ∈ field} e^{r_i} − log Σ_{i ∈ winners} e^{r_i}] over some contests:
//!
//! | name | contests | from |
//! |---|---|---|
//! | Plackett–Luce (ListMLE) | each response against itself and all that rank lower; equals do not compete | Xia et al. 2008 |
//! | K-wise | each two of unequal rank, the mean | InstructGPT (arXiv 2203.02155) |
//! | multi-pair | each chosen response against each rejected one, the mean | |
//! | group contrast | the chosen responses together against all | AMPO (arXiv 2502.18293) |

use tch::{Kind, Tensor};

use super::{Label, ObjectiveError, Rewards};

/// Which contests a comparison is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contests {
    PlackettLuce,
    KWise,
    MultiPair,
    GroupContrast,
}

/// One contest: places within the comparison.
struct Contest {
    winners: Vec<usize>,
    field: Vec<usize>,
    weight: f64,
}

impl Contests {
    fn of(self, label: &Label) -> Vec<Contest> {
        let n = label.n_responses();
        let below = |i: usize| (0..n).filter(move |&j| label.rank(j) > label.rank(i));
        let duel = |i: usize, j: usize, weight| Contest { winners: vec![i], field: vec![i, j], weight };
        match self {
            Contests::PlackettLuce => (0..n)
                .map(|i| Contest { winners: vec![i], field: std::iter::once(i).chain(below(i)).collect(), weight: 1.0 })
                .filter(|contest| contest.field.len() > 1)
                .collect(),
            Contests::KWise => {
                let count = (0..n).map(|i| below(i).count()).sum::<usize>().max(1) as f64;
                (0..n).flat_map(|i| below(i).map(move |j| duel(i, j, 1.0 / count))).collect()
            }
            Contests::MultiPair => {
                let weight = 1.0 / (label.n_chosen * label.n_rejected).max(1) as f64;
                let rejected = label.n_chosen..n;
                (0..label.n_chosen).flat_map(|i| rejected.clone().map(move |j| duel(i, j, weight))).collect()
            }
            Contests::GroupContrast => {
                vec![Contest { winners: (0..label.n_chosen).collect(), field: (0..n).collect(), weight: 1.0 }]
            }
        }
    }

    /// Losses [n].
    pub fn losses(self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let rewards_s = batch.checked()?;
        let (mut winners, mut fields) = (Ragged::default(), Ragged::default());
        let (mut weights, mut owners) = (Vec::new(), Vec::new());
        for ((index, label), start) in batch.labels.iter().enumerate().zip(batch.starts()) {
            if label.n_chosen == 0 || label.n_rejected == 0 {
                return Err(ObjectiveError::Lacks { objective: name, index, what: "response to compare with" });
            }
            for contest in self.of(label) {
                winners.push(start, &contest.winners);
                fields.push(start, &contest.field);
                weights.push(contest.weight);
                owners.push(index as i64);
            }
        }
        let (kind, device) = (rewards_s.kind(), rewards_s.device());
        let weights = super::numbers(&weights, kind, device);
        let costs = (fields.log_sums(&rewards_s) - winners.log_sums(&rewards_s)) * weights;
        let losses = Tensor::zeros([batch.labels.len() as i64], (kind, device));
        Ok(losses.index_add(0, &Tensor::from_slice(&owners).to_device(device), &costs))
    }
}

/// Sets of places of different sizes.
#[derive(Default)]
struct Ragged(Vec<Vec<i64>>);

impl Ragged {
    fn push(&mut self, start: usize, places: &[usize]) {
        self.0.push(places.iter().map(|place| (start + place) as i64).collect());
    }

    /// log Σ e^r of each set.
    fn log_sums(&self, rewards_s: &Tensor) -> Tensor {
        let width = self.0.iter().map(Vec::len).max().unwrap_or(1);
        let (mut places, mut holes) = (Vec::new(), Vec::new());
        for set in &self.0 {
            places.extend_from_slice(set);
            holes.extend(set.iter().map(|_| 0.0f64));
            // Any place will do where the hole is closed.
            places.resize(places.len() + width - set.len(), set.first().copied().unwrap_or(0));
            holes.resize(places.len(), f64::NEG_INFINITY);
        }
        let device = rewards_s.device();
        let picked = rewards_s.index_select(0, &Tensor::from_slice(&places).to_device(device));
        let holes = Tensor::from_slice(&holes).to_kind(Kind::Double).to_kind(rewards_s.kind()).to_device(device);
        (picked + holes).view([self.0.len() as i64, width as i64]).logsumexp([1i64], false)
    }
}
