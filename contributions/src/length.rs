//! What length explains. Lengths are characters of responses; where a side has several, their mean.

use crate::accuracy::{add_credits, credit};
use crate::item::{Item, View};
use crate::outcome::{Evidence, Extremes, is_decided};
use crate::rule::Protocol;
use crate::unit::Unit;
use crate::{Group, Metric};

/// Two lengths are alike where they differ by at most this share of the longer one.
pub const ALIKE: f64 = 0.1;

/// Mean length of chosen and of rejected responses; `None` where one is not known, which tables write as 0.
pub fn lengths(item: &Item<'_>) -> Option<(f64, f64)> {
    let mean = |chars: &[u32]| {
        let known = !chars.is_empty() && chars.iter().all(|c| *c > 0);
        known.then(|| chars.iter().map(|c| f64::from(*c)).sum::<f64>() / chars.len() as f64)
    };
    Some((mean(item.chosen_chars)?, mean(item.rejected_chars)?))
}

/// Adds (cluster, chosen − rejected length, credit) of every item that is worth something.
pub fn differences(view: &View<'_>, units: &[Unit], protocol: &Protocol, items: &mut Vec<(u32, f64, f64)>) {
    for unit in units {
        for place in unit.places() {
            let item = view.item(place);
            let credit = Evidence::Rewards.extremes(&item).and_then(|extremes| credit(&extremes, protocol.ties));
            if let (Some(credit), Some((chosen, rejected))) = (credit, lengths(&item)) {
                items.push((unit.cluster, chosen - rejected, credit));
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    ChosenLonger,
    ChosenShorter,
    /// Mean of the two: what accuracy would be if the longer response were chosen half of the time.
    Balanced,
    Matched,
}

/// Accuracy by which side is longer. Sums: credit and items where chosen is longer, shorter, alike.
pub struct ByLength(Part);

pub static CHOSEN_LONGER: ByLength = ByLength(Part::ChosenLonger);
pub static CHOSEN_SHORTER: ByLength = ByLength(Part::ChosenShorter);
pub static BALANCED: ByLength = ByLength(Part::Balanced);
pub static MATCHED: ByLength = ByLength(Part::Matched);

impl Metric for ByLength {
    fn id(&self) -> &'static str {
        match self.0 {
            Part::ChosenLonger => "accuracy-chosen-longer",
            Part::ChosenShorter => "accuracy-chosen-shorter",
            Part::Balanced => "accuracy-length-balanced",
            Part::Matched => "accuracy-length-matched",
        }
    }

    fn about(&self) -> &'static str {
        match self.0 {
            Part::ChosenLonger => "Accuracy where the chosen response is the longer one.",
            Part::ChosenShorter => "Accuracy where the chosen response is the shorter one.",
            Part::Balanced => "Mean of the accuracies where the chosen response is longer and where it is shorter.",
            Part::Matched => "Accuracy where lengths differ by at most a tenth of the longer response.",
        }
    }

    fn width(&self) -> usize {
        6
    }

    fn contribute(&self, group: &Group<'_>, protocol: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for item in group.items() {
            let credit = Evidence::Rewards.extremes(&item).and_then(|extremes| credit(&extremes, protocol.ties));
            let (Some(credit), Some((chosen, rejected))) = (credit, lengths(&item)) else { continue };
            if chosen != rejected {
                let at = if chosen > rejected { 0 } else { 2 };
                sums[at] += credit;
                sums[at + 1] += 1.0;
            }
            if (chosen - rejected).abs() <= ALIKE * chosen.max(rejected) {
                sums[4] += credit;
                sums[5] += 1.0;
            }
            any = true;
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        let share = |at: usize| (sums[at + 1] > 0.0).then(|| sums[at] / sums[at + 1]);
        match self.0 {
            Part::ChosenLonger => share(0),
            Part::ChosenShorter => share(2),
            Part::Balanced => Some((share(0)? + share(2)?) / 2.0),
            Part::Matched => share(4),
        }
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        match self.0 {
            Part::ChosenLonger => Some((0, 1)),
            Part::ChosenShorter => Some((2, 3)),
            Part::Balanced => None,
            Part::Matched => Some((4, 5)),
        }
    }
}

/// Accuracy of always preferring the shorter response (its own number, since ties in length lose both ways), or the
/// one with more tokens.
pub enum Blind {
    ShortestWins,
    MostTokensWins,
}

pub static SHORTEST_WINS: Blind = Blind::ShortestWins;
pub static MOST_TOKENS_WINS: Blind = Blind::MostTokensWins;

impl Metric for Blind {
    fn id(&self) -> &'static str {
        match self {
            Blind::ShortestWins => "shortest-wins",
            Blind::MostTokensWins => "most-tokens-wins",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Blind::ShortestWins => "Accuracy of always preferring the shorter response; no model is involved.",
            Blind::MostTokensWins => "Accuracy of always preferring the response with more of the model's tokens.",
        }
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, protocol: &Protocol, sums: &mut [f64]) -> bool {
        let of_item = |item: Item<'_>| {
            let value = |count: &u32| {
                let count = (*count > 0).then(|| f64::from(*count));
                count.map(|count| if let Blind::ShortestWins = self { -count } else { count })
            };
            let [chosen, rejected] = match self {
                Blind::ShortestWins => [item.chosen_chars, item.rejected_chars],
                Blind::MostTokensWins => [item.chosen_tokens, item.rejected_tokens],
            };
            Extremes::of(chosen.iter().map(value), rejected.iter().map(value))
                .and_then(|extremes| credit(&extremes, protocol.ties))
        };
        add_credits(group.items().filter(is_decided).map(of_item), sums)
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some((0, 1))
    }
}
