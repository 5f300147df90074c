//! What judgments say of items: counts of the judge's habits, rewards at both bounds.

use std::collections::HashMap;

/// What the judgments of one item say of the judge.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct JudgeCounts {
    pub judgments: u32,
    pub unparsed: u32,
    pub refused: u32,
    pub errors: u32,
    pub ties: u32,
    /// Verdicts that pick one of several responses, and those that pick the one shown first.
    pub picks: u32,
    pub first: u32,
    /// What of these would be the first without position bias: Σ 1 / responses shown.
    pub first_expected: f64,
    /// Sets of responses judged in several orders, all of them decided; those with one answer.
    pub reordered: u32,
    pub consistent: u32,
    /// Judgments whose tokens are known, and the tokens of prompts and replies.
    pub counted: u32,
    pub prompt_tokens: u64,
    pub reply_tokens: u64,
    pub priced: u32,
    pub money: f64,
    /// Verdicts with probabilities: Σ p of the verdict, how many were right, Σ (1 − p of the right verdict)².
    pub stated: u32,
    pub stated_p: f64,
    pub stated_right: u32,
    pub stated_brier: f64,
    /// Of these, on single responses: Σ (p of yes − 1 where the response is a chosen one).
    pub asked: u32,
    pub yes_excess: f64,
    /// Single responses rated on a scale.
    pub rated: u32,
    /// Grades of responses shown together that have a gold grade, and Σ (grade − gold grade).
    pub graded: u32,
    pub grade_excess: f64,
    /// Verdicts of several judges on one question: pairs of judges, those that agree, and votes for a chosen response,
    /// a rejected one, neither.
    pub panel_pairs: u32,
    pub panel_same: u32,
    pub votes: [u32; 3],
}

/// Mean votes of a matrix of pairs, row by row of the chosen responses; NaN where nothing was decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PairVotes {
    pub scored: Vec<f32>,
    /// If every judgment without a verdict were wrong, and if it were right.
    pub worst: Vec<f32>,
    pub best: Vec<f32>,
}

/// The judgments of one run, aligned with an item table.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// By item.
    pub counts: Vec<JudgeCounts>,
    /// Rewards by response slot if every judgment without a verdict were wrong, and if it were right.
    pub worst: Vec<Option<f32>>,
    pub best: Vec<Option<f32>>,
    /// Of items whose pairs were judged in place of their responses.
    pub pairs: HashMap<u32, PairVotes>,
    /// Who judged.
    pub judges: Vec<String>,
}
