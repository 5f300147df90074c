//! Objectives that are not trained step by step: each is fitted at once to what other models say of responses.

/// A name, what is minimised, and the command that does it.
#[derive(Debug, Clone, Copy)]
pub struct Fitted {
    pub name: &'static str,
    pub formula: &'static str,
    pub needs: &'static str,
    pub paper: &'static str,
    pub command: &'static str,
}

/// All of them. Vectors are the data's own, or those of a trunk (`rmbench model features`).
pub const FITTED: &[Fitted] = &[
    Fitted {
        name: "cpm",
        formula: "C*mean L(w*(f_c - f_r)/s) + |w|^2/2 or |w|, s the features' deviations; C and the penalty by \
                  cross-validation",
        needs: "pairs with vectors",
        paper: "Compositional preference models for aligning LMs",
        command: "rmbench model cpm",
    },
    Fitted {
        name: "pal",
        formula: "L(D) or max(0, 1 - D), D = |A*f_r - u| - |A*f_c - u|, u = softmax(w_user)*prototypes",
        needs: "pairs with vectors and user",
        paper: "PAL: Pluralistic Alignment Framework for Learning from Heterogeneous Preferences",
        command: "rmbench model pal",
    },
    Fitted {
        name: "orchestrator",
        formula: "-mean of sum over models of softmax(z)_k*log w_k(x), z their scaled rewards of the chosen response, x the \
                  prompt's language, category or subset; the score is sum of w_k*z_k",
        needs: "score tables of several models on the same pairs",
        paper: "Preference Orchestrator: Prompt-Aware Multi-Objective Alignment for Large Language Models",
        command: "rmbench model orchestrate",
    },
];
