//! The table of objectives.

use super::policies::POLICIES;
use super::{Family, Spec};
use crate::objective::bradley_terry::{BradleyTerry, MarginOf, MarginUse};
use crate::objective::companions::{Dial, Individual, LmBeside, LmText, More, Sspo, TokenHead};
use crate::objective::gap::{Aim, Focal};
use crate::objective::mapl::Mapl;
use crate::objective::pointwise::{Plain, Regression};
use crate::objective::ties::{Davidson, RaoKupper};

fn bt(change: fn(&mut BradleyTerry)) -> Family {
    let mut bt = BradleyTerry::default();
    change(&mut bt);
    Family::BradleyTerry(bt)
}

const PAIRS: &str = "pairs";
const LISTS: &str = "one or more chosen and rejected responses, or responses with scores or ranks";

/// All names there are. Those that share a computation differ in the settings they begin with.
pub const SPECS: &[Spec] = &joined();

const fn joined() -> [Spec; REWARDS.len() + POLICIES.len()] {
    let mut all = [REWARDS[0]; REWARDS.len() + POLICIES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < REWARDS.len() { REWARDS[at] } else { POLICIES[at - REWARDS.len()] };
        at += 1;
    }
    all
}

/// Objectives of rewards that a head gives.
const REWARDS: &[Spec] = &[
    Spec {
        name: "bt",
        formula: "L(z)",
        needs: PAIRS,
        paper: "Bradley and Terry 1952; arXiv 2203.02155",
        family: || bt(|_| ()),
    },
    Spec {
        name: "bt-margin",
        formula: "L(z - margin-scale*margin)",
        needs: "pairs with margin",
        paper: "arXiv 2307.09288, 2410.01257",
        family: || bt(|bt| bt.margin = MarginUse::Subtract),
    },
    Spec {
        name: "bt-votes",
        formula: "L(z - margin-scale*(2p - 1)), p the share of votes for the chosen response",
        needs: "pairs with votes-a and votes-b",
        paper: "Beyond the Binary; weights are ours",
        family: || bt(|bt| (bt.margin, bt.margin_of) = (MarginUse::Subtract, MarginOf::Votes)),
    },
    Spec {
        name: "bt-scaled",
        formula: "margin-scale*abs(margin)*L(z)",
        needs: "pairs with margin",
        paper: "HelpSteer2-Preference, arXiv 2410.01257; HelpSteer3, arXiv 2505.11475",
        family: || bt(|bt| bt.margin = MarginUse::Weight),
    },
    Spec {
        name: "bt-soft",
        formula: "q*L(z) + (1 - q)*L(-z), q the probability that the chosen response is better",
        needs: "pairs with label (a probability) or votes; ties are used",
        paper: "cross-entropy with the labels' distribution",
        family: || bt(|bt| bt.soft_labels = true),
    },
    Spec {
        name: "bt-smooth",
        formula: "(1 - e)*L(z) + e*L(-z), e = label-smoothing",
        needs: PAIRS,
        paper: "conservative DPO, on rewards",
        family: || bt(|bt| bt.label_smoothing = 0.1),
    },
    Spec {
        name: "bt-robust",
        formula: "[(1 - e)*L(z) - e*L(-z)]/(1 - 2e), e = flip-rate",
        needs: PAIRS,
        paper: "robust DPO, arXiv 2403.00409, on rewards",
        family: || bt(|bt| bt.flip_rate = 0.1),
    },
    Spec {
        name: "bt-centered",
        formula: "L(z) + centering*(r_c + r_r)^2",
        needs: PAIRS,
        paper: "arXiv 2312.09244; TRL's RewardTrainer",
        family: || bt(|bt| bt.centering = 0.01),
    },
    Spec {
        name: "log-exp",
        formula: "log(1 + e^(r_r - r_c)): L(z) under OpenRLHF's name, without its overflow",
        needs: PAIRS,
        paper: "OpenRLHF's train_rm",
        family: || bt(|_| ()),
    },
    Spec {
        name: "context-bt",
        formula: "L(r(x, c, y_c) - r(x, c, y_r)), c in the system turn",
        needs: "pairs with criteria (columns.criteria), or prompts with a system turn",
        paper: "CARM, arXiv 2407.14916",
        family: || bt(|_| ()),
    },
    Spec {
        name: "focal",
        formula: "(1 - sigmoid(z))^gamma*L(z)",
        needs: PAIRS,
        paper: "arXiv 1708.02002, 2410.18451",
        family: || Family::Focal(Focal::default()),
    },
    Spec {
        name: "hinge",
        formula: "max(0, target - z)",
        needs: PAIRS,
        paper: "arXiv 2305.10425, 2410.18451",
        family: || Family::Hinge(Aim::default()),
    },
    Spec {
        name: "margin-mse",
        formula: "(z - target)^2",
        needs: PAIRS,
        paper: "arXiv 2410.18451",
        family: || Family::SquaredMargin(Aim::default()),
    },
    Spec {
        name: "rao-kupper",
        formula: "-log P: P(win) = sigmoid(z - log theta), \
                  P(tie) = (theta^2 - 1)*sigmoid(z - log theta)*sigmoid(-z - log theta)",
        needs: "pairs; ties (label 0.5, equal votes, or a verdict) are used",
        paper: "Rao and Kupper 1967",
        family: || Family::RaoKupper(RaoKupper::default()),
    },
    Spec {
        name: "davidson",
        formula: "-log P: P(win) = 1/Z, P(tie) = nu*e^(-z/2)/Z, Z = 1 + e^-z + nu*e^(-z/2)",
        needs: "pairs; ties (label 0.5, equal votes, or a verdict) are used",
        paper: "Davidson 1970",
        family: || Family::Davidson(Davidson::default()),
    },
    Spec {
        name: "listmle",
        formula: "sum over i of log(e^r_i + sum of e^r_j, j below i) - r_i",
        needs: LISTS,
        paper: "Plackett-Luce; Xia et al. 2008",
        family: || Family::PlackettLuce(Plain {}),
    },
    Spec {
        name: "k-wise",
        formula: "mean of L(r_i - r_j) over all two of which i is better",
        needs: LISTS,
        paper: "InstructGPT, arXiv 2203.02155",
        family: || Family::KWise(Plain {}),
    },
    Spec {
        name: "multi-pair",
        formula: "mean of L(r_c - r_r) over chosen and rejected responses",
        needs: LISTS,
        paper: "Aligning LLMs with Domain Invariant Reward Models (its multiple-choice loss)",
        family: || Family::MultiPair(Plain {}),
    },
    Spec {
        name: "group-contrast",
        formula: "-log(sum of e^r over chosen / sum of e^r over all responses)",
        needs: LISTS,
        paper: "AMPO, arXiv 2502.18293",
        family: || Family::GroupContrast(Plain {}),
    },
    Spec {
        name: "bce",
        formula: "mean of -y*log sigmoid(r) - (1 - y)*log sigmoid(-r) over the responses",
        needs: "single responses with label or score between 0 and 1; or pairs: chosen is 1, rejected 0",
        paper: "arXiv 2112.00861 (binary discrimination)",
        family: || Family::Bce(Plain {}),
    },
    Spec {
        name: "mse",
        formula: "mean of (r - y)^2 over what is rated; null and -100 do not count",
        needs: "single responses with score (several for attributes), or responses with scores",
        paper: "NeMo-Aligner's regression reward models; arXiv 2406.08673",
        family: || Family::Mse(Regression::default()),
    },
    Spec {
        name: "token-head",
        formula: "L(z) of rewards that are the sum, mean, log-sum-exp (max) or its mirror image (min) of tokens' rewards",
        needs: PAIRS,
        paper: "Preference-grounded Token-level Guidance, arXiv 2306.00398",
        family: || Family::TokenHead(TokenHead::default()),
    },
    Spec {
        name: "mapl",
        formula: "L(z), intra*L(z) where the sides differ in the prompt; + inter*L(D_multi - D_single), D = z of a \
                  composite of two pairs and of the pair",
        needs: "pairs, some with prompt-chosen and prompt-rejected",
        paper: "Multi-Level Aware Preference Learning; weights are ours",
        family: || Family::Mapl(Mapl::default()),
    },
    Spec {
        name: "sspo",
        formula: "g*mean L(z) + (1 - g)*mean L(abs(r_u - d)), g = max(n_L/(n_L + n_U), start*e^(-decay*t)), d where the \
                  densities of chosen and rejected rewards cross",
        needs: "pairs, and single responses without label",
        paper: "Semi-Supervised Preference Optimization with Limited Feedback",
        family: || Family::Sspo(Sspo::default()),
    },
    Spec {
        name: "more",
        formula: "T*sum of lambda_t*L_t over T groups, lambda making the norm of sum lambda_t*g_t smallest, g_t the \
                  normalised gradient of group t by the reward head",
        needs: "pairs of several subsets or languages (group-by)",
        paper: "MORE, arXiv 2312.07401",
        family: || Family::More(More::default()),
    },
    Spec {
        name: "dial",
        formula: "L(z) of source languages + weight*[mean f(h_source) - mean f(h_target)], the critic f maximising \
                  the bracket - penalty*(norm of its gradient - 1)^2",
        needs: "pairs in source-langs and in other languages, whose labels are not used",
        paper: "Aligning LLMs with Domain Invariant Reward Models",
        family: || Family::Dial(Dial::default()),
    },
    Spec {
        name: "lm-beside",
        formula: "L(z) + lm-weight*NLL(prompt, chosen response) through the base's output layer, or its embeddings",
        needs: "pairs; a causal decoder",
        paper: "GRM, arXiv 2406.10216",
        family: || Family::LmBeside(LmBeside::default()),
    },
    Spec {
        name: "rationale",
        formula: "L(z) + lm-weight*NLL(prompt, chosen response, rationale) through the base's output layer, or its embeddings",
        needs: "pairs with rationale; a causal decoder",
        paper: "arXiv 2407.14477, on rewards",
        family: || Family::LmBeside(LmBeside { text: LmText::Rationale, ..LmBeside::default() }),
    },
    Spec {
        name: "cloud",
        formula: "L(z) of rewards read at the end of critiques of the two responses + lm-weight*NLL(critiques), through the \
                  model's own output layer",
        needs: "pairs of critiques with prompt-chosen and prompt-rejected, as `rmbench data judgments --judge critique` \
                writes them; a language model",
        paper: "CLoud, arXiv 2408.11791",
        family: || Family::LmBeside(LmBeside { lm_weight: 1.25, text: LmText::Critiques }),
    },
    Spec {
        name: "individual",
        formula: "L(z) of r_u = r + u*(W*h), u a short vector per user, h what the reward head reads",
        needs: "pairs with user, of two or more users",
        paper: "Disentangling Preference Representation and Text Generation for Efficient Individual Preference Alignment",
        family: || Family::Individual(Individual::default()),
    },
];
