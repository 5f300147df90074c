//! Which column of a data file holds what.

use serde::{Deserialize, Serialize};

/// Column names for the roles a reader needs; `None` means "recognise it by its usual names".
///
/// A map with `chosen` or `rejected` makes the file one of pairs, a map with `response_a`, `response_b`
/// or `label` one of two responses and a verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ColumnMap {
    pub id: Option<String>,
    pub source_id: Option<String>,
    pub language: Option<String>,
    pub prompt: Option<String>,
    pub chosen: Option<String>,
    pub rejected: Option<String>,
    pub subset: Option<String>,
    pub category: Option<String>,
    pub chosen_model: Option<String>,
    pub rejected_model: Option<String>,
    pub margin: Option<String>,
    /// Gold grades of the two responses: then they are graded, and `chosen` is merely the first.
    pub chosen_grade: Option<String>,
    pub rejected_grade: Option<String>,
    pub response_a: Option<String>,
    pub response_b: Option<String>,
    pub label: Option<String>,
    pub prompt_chosen: Option<String>,
    pub prompt_rejected: Option<String>,
    pub responses: Option<String>,
    pub response: Option<String>,
    pub scores: Option<String>,
    pub ranks: Option<String>,
    pub votes_a: Option<String>,
    pub votes_b: Option<String>,
    pub rationale: Option<String>,
    pub user: Option<String>,
    /// Log-probabilities of the two responses by the policy that wrote them, in nats.
    pub behaviour_chosen: Option<String>,
    pub behaviour_rejected: Option<String>,
    /// By what the responses were compared, put into the system turn; has no usual name.
    pub criteria: Option<String>,
    /// Vectors in place of, or beside, the responses' texts.
    pub chosen_embedding: Option<String>,
    pub rejected_embedding: Option<String>,
}

/// What a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    Id,
    SourceId,
    Language,
    Prompt,
    /// The prompt as a list of messages, beside or instead of [`Part::Prompt`].
    Context,
    Chosen,
    Rejected,
    ResponseA,
    ResponseB,
    /// Which of two responses is better, or how probable it is that the chosen one is.
    Label,
    Subset,
    Category,
    ChosenModel,
    RejectedModel,
    ModelA,
    ModelB,
    Margin,
    /// Names of the response variants, in order (RM-Bench).
    Styles,
    /// How many of the responses are right (RewardBench 2): checked, not used.
    NumCorrect,
    /// Gold grades of the first and the second response.
    ChosenGrade,
    RejectedGrade,
    /// The prompts of the two sides, where they differ. These and the rest are read for training only.
    PromptChosen,
    PromptRejected,
    /// Any number of responses to one prompt.
    Responses,
    /// One response to one prompt.
    Response,
    /// Ratings: one per response, or several of one response.
    Scores,
    /// Places in a ranking, one per response; 1 is best.
    Ranks,
    /// Annotators for the chosen (or first) response, and for the other.
    VotesA,
    VotesB,
    /// One judgement per annotator (HelpSteer3).
    Individual,
    Rationale,
    User,
    BehaviourChosen,
    BehaviourRejected,
    Criteria,
    /// The chosen responses' vectors, `list<float>`, or a list of such; read for models of embeddings only.
    ChosenEmbedding,
    RejectedEmbedding,
}

/// Parts that only training reads.
pub(super) const EVIDENCE: [Part; 8] = [
    Part::VotesA,
    Part::VotesB,
    Part::Individual,
    Part::Rationale,
    Part::User,
    Part::BehaviourChosen,
    Part::BehaviourRejected,
    Part::Criteria,
];

impl Part {
    /// The part's name in messages; for those of [`ColumnMap`] also the key there.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Id => "id",
            Part::SourceId => "source-id",
            Part::Language => "language",
            Part::Prompt => "prompt",
            Part::Context => "context",
            Part::Chosen => "chosen",
            Part::Rejected => "rejected",
            Part::ResponseA => "response-a",
            Part::ResponseB => "response-b",
            Part::Label => "label",
            Part::Subset => "subset",
            Part::Category => "category",
            Part::ChosenModel => "chosen-model",
            Part::RejectedModel => "rejected-model",
            Part::ModelA => "model-a",
            Part::ModelB => "model-b",
            Part::Margin => "margin",
            Part::Styles => "styles",
            Part::NumCorrect => "num-correct",
            Part::ChosenGrade => "chosen-grade",
            Part::RejectedGrade => "rejected-grade",
            Part::PromptChosen => "prompt-chosen",
            Part::PromptRejected => "prompt-rejected",
            Part::Responses => "responses",
            Part::Response => "response",
            Part::Scores => "scores",
            Part::Ranks => "ranks",
            Part::VotesA => "votes-a",
            Part::VotesB => "votes-b",
            Part::Individual => "individual",
            Part::Rationale => "rationale",
            Part::User => "user",
            Part::BehaviourChosen => "behaviour-chosen",
            Part::BehaviourRejected => "behaviour-rejected",
            Part::Criteria => "criteria",
            Part::ChosenEmbedding => "chosen-embedding",
            Part::RejectedEmbedding => "rejected-embedding",
        }
    }

    /// Usual column names in order of preference; compared without case, `-` and space as `_`.
    pub(super) fn usual_names(self) -> &'static [&'static str] {
        match self {
            Part::Id => &["id", "item_id", "pair_id", "example_id", "uid", "uuid", "prompt_id"],
            Part::SourceId => &["source_id"],
            Part::Language => &["language", "lang", "language_code", "lang_code", "locale"],
            Part::Prompt => &["prompt", "question", "query", "instruction", "input", "conversations", "conversation"],
            Part::Context => &["context"],
            Part::Chosen => &["chosen", "chosen_list", "chosen_response", "response_chosen"],
            Part::Rejected => &["rejected", "rejected_list", "rejected_response", "response_rejected"],
            Part::ResponseA => &["response_a", "response1", "response_1", "answer_a", "completion_a", "output_a"],
            Part::ResponseB => &["response_b", "response2", "response_2", "answer_b", "completion_b", "output_b"],
            Part::Label => &[
                "overall_preference",
                "chosen_index",
                "better_response_id",
                "label",
                "preference",
                "winner",
                "verdict",
                "human_preference",
                "actual_score",
            ],
            Part::Subset => &["subset", "subset_name"],
            Part::Category => &["category", "section"],
            Part::ChosenModel => &["chosen_model", "model_chosen"],
            Part::RejectedModel => &["rejected_model", "model_rejected"],
            Part::ModelA => &["model_a", "model1", "model_1"],
            Part::ModelB => &["model_b", "model2", "model_2"],
            Part::Margin => &["margin", "strength"],
            Part::Styles => &["styles"],
            Part::NumCorrect => &["num_correct"],
            // Only a map makes data graded.
            Part::ChosenGrade | Part::RejectedGrade => &[],
            Part::PromptChosen => &["prompt_chosen"],
            Part::PromptRejected => &["prompt_rejected"],
            Part::Responses => &["responses", "completions", "candidates"],
            Part::Response => &["response", "completion", "output", "answer"],
            Part::Scores => &["scores", "score", "ratings", "rating"],
            Part::Ranks => &["ranks", "ranking"],
            Part::VotesA => &["n_votes_a", "votes_a", "votes_chosen"],
            Part::VotesB => &["n_votes_b", "votes_b", "votes_rejected"],
            Part::Individual => &["individual_preference"],
            Part::Rationale => &["rationale"],
            Part::User => &["user_id", "annotator_id"],
            Part::BehaviourChosen => &["behaviour_chosen", "behavior_chosen", "logp_chosen"],
            Part::BehaviourRejected => &["behaviour_rejected", "behavior_rejected", "logp_rejected"],
            Part::Criteria => &[],
            Part::ChosenEmbedding => &["chosen_embedding", "embedding_chosen", "chosen_features", "features_chosen"],
            Part::RejectedEmbedding => {
                &["rejected_embedding", "embedding_rejected", "rejected_features", "features_rejected"]
            }
        }
    }
}

impl ColumnMap {
    /// From pairs of a part's name and a column's.
    ///
    /// # Errors
    /// A part that data do not have; the message names those that there are.
    pub fn of_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<ColumnMap, toml::de::Error> {
        pairs.map(|(part, column)| (part.to_owned(), column.into())).collect::<toml::Table>().try_into()
    }

    /// This map, and `base` where it says nothing.
    ///
    /// # Errors
    /// None that could be met: maps are text by text.
    pub fn over(&self, base: &ColumnMap) -> Result<ColumnMap, toml::ser::Error> {
        let mut all = toml::Table::try_from(base)?;
        all.extend(toml::Table::try_from(self)?);
        all.try_into().map_err(serde::ser::Error::custom)
    }

    /// The column that the map gives for a part.
    pub fn get(&self, part: Part) -> Option<&str> {
        match part {
            Part::Id => self.id.as_deref(),
            Part::SourceId => self.source_id.as_deref(),
            Part::Language => self.language.as_deref(),
            Part::Prompt => self.prompt.as_deref(),
            Part::Chosen => self.chosen.as_deref(),
            Part::Rejected => self.rejected.as_deref(),
            Part::ResponseA => self.response_a.as_deref(),
            Part::ResponseB => self.response_b.as_deref(),
            Part::Label => self.label.as_deref(),
            Part::Subset => self.subset.as_deref(),
            Part::Category => self.category.as_deref(),
            Part::ChosenModel => self.chosen_model.as_deref(),
            Part::RejectedModel => self.rejected_model.as_deref(),
            Part::Margin => self.margin.as_deref(),
            Part::ChosenGrade => self.chosen_grade.as_deref(),
            Part::RejectedGrade => self.rejected_grade.as_deref(),
            Part::PromptChosen => self.prompt_chosen.as_deref(),
            Part::PromptRejected => self.prompt_rejected.as_deref(),
            Part::Responses => self.responses.as_deref(),
            Part::Response => self.response.as_deref(),
            Part::Scores => self.scores.as_deref(),
            Part::Ranks => self.ranks.as_deref(),
            Part::VotesA => self.votes_a.as_deref(),
            Part::VotesB => self.votes_b.as_deref(),
            Part::Rationale => self.rationale.as_deref(),
            Part::User => self.user.as_deref(),
            Part::BehaviourChosen => self.behaviour_chosen.as_deref(),
            Part::BehaviourRejected => self.behaviour_rejected.as_deref(),
            Part::Criteria => self.criteria.as_deref(),
            Part::ChosenEmbedding => self.chosen_embedding.as_deref(),
            Part::RejectedEmbedding => self.rejected_embedding.as_deref(),
            Part::Context | Part::ModelA | Part::ModelB | Part::Styles | Part::NumCorrect | Part::Individual => None,
        }
    }
}
