//! The part of the table that is of policies, whose rewards are implicit.
//!
//! In formulas: lp is the log-probability of a response, n its tokens, m = lp/n, lr = lp - lp_ref, NLL = -lp/n;
//! x = beta*(lr_w - lr_l).

use super::{Family, Spec};
use crate::objective::implicit::adaptive::Adaptive;
use crate::objective::implicit::batchwise::{Relative, Sorted};
use crate::objective::implicit::composite::Composite;
use crate::objective::implicit::contrast::{Contrast, Divergence, Link, Score};
use crate::objective::implicit::lists::{Group, Sft, Triple};
use crate::objective::implicit::sided::{Rule, Sided};
use crate::objective::implicit::{ReferenceOf, Span};

fn contrast(change: fn(&mut Contrast)) -> Family {
    let mut contrast = Contrast::default();
    change(&mut contrast);
    Family::Contrast(contrast)
}

fn sided(rule: Rule) -> Family {
    Family::Sided(Sided { rule, ..Sided::default() })
}

const fn row(
    name: &'static str,
    formula: &'static str,
    needs: &'static str,
    paper: &'static str,
    family: fn() -> Family,
) -> Spec {
    Spec { name, formula, needs, paper, family }
}

const PAIRS: &str = "pairs; a language model and a reference";
const ALONE: &str = "pairs; a language model";
const EITHER: &str = "pairs, or single responses with label; a language model and a reference";

pub const POLICIES: &[Spec] = &[
    row("dpo", "L(x)", PAIRS, "arXiv 2305.18290", || contrast(|_| ())),
    row("cdpo", "(1 - e)*L(x) + e*L(-x), e = label-smoothing", PAIRS, "conservative DPO; arXiv 2305.18290", || {
        contrast(|c| c.label_smoothing = 0.1)
    }),
    row("rdpo", "[(1 - e)*L(x) - e*L(-x)]/(1 - 2e), e = flip-rate", PAIRS, "arXiv 2403.00409", || {
        contrast(|c| c.flip_rate = 0.1)
    }),
    row(
        "selfie",
        "q*L(x) + (1 - q)*L(-x), q the probability that the chosen response is better",
        "pairs with label (a probability) or votes; ties are used; a language model and a reference",
        "SELFIE; cross-entropy with the labels' distribution",
        || contrast(|c| c.soft_labels = true),
    ),
    row("dpo-hinge", "max(0, 1 - x)", PAIRS, "SLiC, arXiv 2305.10425, 2309.06657", || {
        contrast(|c| c.link = Link::Hinge)
    }),
    row("ipo-azar", "(lr_w/n_w - lr_l/n_l - 1/(2*beta))^2", PAIRS, "IPO of Azar et al., arXiv 2310.12036", || {
        contrast(|c| (c.score, c.link) = (Score::MeanLogRatio, Link::Square))
    }),
    row("ln-dpo", "L(beta*(lr_w/n_w - lr_l/n_l))", PAIRS, "length-normalised DPO, arXiv 2411.15124", || {
        contrast(|c| c.score = Score::MeanLogRatio)
    }),
    row(
        "exo",
        "s(x)*(log s(x) - log(1-e)) + s(-x)*(log s(-x) - log e), s = sigmoid, e = label-smoothing",
        PAIRS,
        "arXiv 2402.00856",
        || contrast(|c| (c.link, c.label_smoothing) = (Link::Exo, 0.001)),
    ),
    row("discopop", "(1 - g)*L(x) + g*e^-x, g = sigmoid(x/tau)", PAIRS, "arXiv 2406.08414", || {
        contrast(|c| c.link = Link::Discopop)
    }),
    row(
        "f-dpo",
        "L(beta*(s_w - s_l)), s of the divergence: lr, 1 - e^-lr, log 2 + log sigmoid(lr), (e^((alpha-1)*lr) - 1)/(alpha-1)",
        PAIRS,
        "arXiv 2309.16240",
        || contrast(|c| c.divergence = Divergence::ForwardKl),
    ),
    row("dpo-anchor", "L(x) + anchor*L(beta*lr_w - anchor-delta)", PAIRS, "chosen anchor, on text", || {
        contrast(|c| c.anchor = 1.0)
    }),
    row(
        "bpo-ref",
        "L(beta*[(lp_w - b_w) - (lp_l - b_l)]), b the log-probabilities by the policy that wrote the responses",
        "pairs with behaviour-chosen and behaviour-rejected; a language model",
        "Behaviour-proximal policy optimisation; on pairs",
        || contrast(|c| c.reference = ReferenceOf::Behaviour),
    ),
    row(
        "dove",
        "L(x) of lr over instruction and response",
        "pairs, whose sides may have prompts of their own; a language model and a reference",
        "DOVE, arXiv 2404.00530",
        || contrast(|c| c.span = Span::Sequence),
    ),
    row(
        "rationale-dpo",
        "L(x) + rationale*NLL(y_w, why it is better)",
        "pairs with rationale; a language model and a reference",
        "arXiv 2407.14477",
        || contrast(|c| c.rationale = 0.1),
    ),
    row("nca", "L(b*lr_w) + [L(-b*lr_w) + L(-b*lr_l)]/2, b = beta", PAIRS, "arXiv 2402.05369", || sided(Rule::Nca)),
    row(
        "bco",
        "desirable*L(beta*lr - d) of good, undesirable*L(d - beta*lr) of bad responses, d the running mean of beta*lr",
        EITHER,
        "arXiv 2404.04656",
        || sided(Rule::Bco),
    ),
    row("bco-pair", "L(beta*lr_w) + L(-beta*lr_l)", PAIRS, "arXiv 2404.04656, as TRL has it", || sided(Rule::BcoPair)),
    row(
        "kto",
        "desirable*sigmoid(beta*(z - lr)) of good, undesirable*sigmoid(beta*(lr - z)) of bad responses, z = max(0, mean \
         lr of responses to other prompts)",
        EITHER,
        "arXiv 2402.01306",
        || sided(Rule::Kto),
    ),
    row(
        "apo-zero",
        "1 - sigmoid(beta*lr) of good, sigmoid(beta*lr) of bad responses",
        EITHER,
        "arXiv 2408.06266",
        || sided(Rule::ApoZero),
    ),
    row("apo-down", "sigmoid(beta*lr_w) + 1 - sigmoid(x)", PAIRS, "arXiv 2408.06266", || sided(Rule::ApoDown)),
    row("sppo-hard", "(lr_w - 1/(2*beta))^2 + (lr_l + 1/(2*beta))^2", PAIRS, "arXiv 2405.00675", || {
        sided(Rule::SppoHard)
    }),
    row(
        "ulma",
        "NLL of good, L(-beta*lr - shift) of bad, (rating - beta*lr - shift)^2 of rated responses",
        EITHER,
        "Unified Language Model Alignment",
        || sided(Rule::Ulma),
    ),
    row(
        "pmpo",
        "-a*lp of good, (1 - a)*lp of bad responses, + beta/2*(lp_ref - lp) of each; a = desirable, 1 - a = undesirable",
        EITHER,
        "Preference-based maximum a posteriori policy optimisation, arXiv 2410.04166",
        || Family::Sided(Sided { rule: Rule::Pmpo, desirable: 0.5, undesirable: 0.5, ..Sided::default() }),
    ),
    row(
        "aot",
        "L(beta*(u - v)), u = lp_w - lp_l and v = ref_w - ref_l, each sorted over the step",
        PAIRS,
        "arXiv 2406.05882",
        || Family::Sorted(Sorted::default()),
    ),
    row(
        "aot-unpaired",
        "L(beta*(u - v)), u = lr_w and v = lr_l, each sorted over the step",
        PAIRS,
        "arXiv 2406.05882",
        || Family::Sorted(Sorted { unpaired: true, ..Sorted::default() }),
    ),
    row(
        "rpo-cross",
        "mean over pairs j of the step of L(beta*w_j*(lr_w - lr_l of j)), w = softmax of -(1 - cos of the prompts)/tau",
        PAIRS,
        "Relative Preference Optimization, arXiv 2402.10958; prompts' topics are hashed trigrams",
        || Family::Relative(Relative::default()),
    ),
    row("orpo", "nll*NLL(prompt and y_w) + beta*L(o_w - o_l), o = m - log(1 - e^m)", ALONE, "arXiv 2403.07691", || {
        contrast(|c| (c.score, c.nll, c.nll_of) = (Score::LogOdds, 1.0, Span::Sequence))
    }),
    row("cpo", "L(beta*(lp_w - lp_l)) + nll*NLL(y_w)", ALONE, "arXiv 2401.08417", || {
        contrast(|c| (c.score, c.nll) = (Score::LogProb, 1.0))
    }),
    row("simpo", "L(beta*(m_w - m_l) - gamma)", ALONE, "arXiv 2405.14734", || {
        contrast(|c| (c.score, c.beta, c.gamma) = (Score::MeanLogProb, 2.0, 0.5))
    }),
    row("alphapo", "L(beta*(s_w - s_l) - gamma), s = (1 - e^(-alpha*m))/alpha", ALONE, "arXiv 2501.03884", || {
        contrast(|c| (c.score, c.beta, c.gamma, c.alpha) = (Score::Alpha, 2.0, 0.5, 0.25))
    }),
    row(
        "arpo",
        "L(beta*(lp_w - t*lp_l)) + nll*NLL(y_w), t = min(c1*e^(c2*abs(m_w - m_l)) - 1, 1)",
        ALONE,
        "Adaptive-rejection preference optimisation of translations",
        || Family::Adaptive(Adaptive::default()),
    ),
    row(
        "tpo",
        "L(beta*(s_w - s_l) - gamma) + nll*NLL(y_gold), s = lp, or m with mean; in place of L also hinge and square (link)",
        "three responses with ranks: gold, chosen, rejected; a language model",
        "arXiv 2405.16681",
        || Family::Triple(Triple::default()),
    ),
    row(
        "ampo",
        "-log(sum of e^s over chosen / sum of e^s), s = beta*m (lp without mean) + rating-weight*(rating - its mean)",
        "one or more chosen and rejected responses, or responses with scores; a language model",
        "AMPO, arXiv 2502.18293",
        || Family::Group(Group::default()),
    ),
    row("sft", "NLL(y_w)", "pairs or single responses; a language model", "the implicit reward of fine-tuning", || {
        Family::Sft(Sft::default())
    }),
    row(
        "mpo",
        "the weighted sum of terms, each an objective of this part of the table; of.NAME holds a term's settings",
        "what its terms need",
        "Mixed Preference Optimization, arXiv 2411.10442",
        || Family::Composite(Composite::default()),
    ),
];
