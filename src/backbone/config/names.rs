//! What the tensors of decoders are called, and with it how a block is laid out.
//!
//! A norm that an architecture does not have has no name. Names are those of the checkpoints; nothing is
//! renamed, so that what is written loads where it came from.

/// Tensor names of a decoder. Those of a layer stand after `LAYERS` and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderNames {
    pub embeddings: &'static str,
    pub attention: AttentionNames,
    /// Of a layer, or of each of its experts.
    pub mlp: MlpNames,
    pub experts: Option<ExpertNames>,
    pub norms: NormNames,
}

/// In front of a layer's number.
pub const LAYERS: &str = "model.layers";
/// The norm after the last layer.
pub const LAST_NORM: &str = "model.norm";
/// Norms of queries and keys, where an architecture has them.
pub const QK_NORMS: [&str; 2] = ["self_attn.q_norm", "self_attn.k_norm"];

/// How queries, keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projections {
    Separate {
        q: &'static str,
        k: &'static str,
        v: &'static str,
    },
    /// One matrix: all queries, then all keys, then all values.
    Joined(&'static str),
    /// One matrix: per key head its queries, its key, its value.
    Grouped(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionNames {
    pub projections: Projections,
    pub out: &'static str,
}

/// How the gated MLP is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    Separate {
        gate: &'static str,
        up: &'static str,
    },
    /// One matrix: gate, then up.
    Joined(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MlpNames {
    pub gate: Gate,
    pub down: &'static str,
}

/// A mixture of MLPs: what scores them, and what stands in front of an expert's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertNames {
    pub router: &'static str,
    pub experts: &'static str,
}

/// Norms of what attention and MLP read, and of what they give before it joins the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormNames {
    pub before_attention: Option<&'static str>,
    pub after_attention: Option<&'static str>,
    pub before_mlp: Option<&'static str>,
    pub after_mlp: Option<&'static str>,
}

/// Llama and all that follow it.
pub const LLAMA: DecoderNames = DecoderNames {
    embeddings: "model.embed_tokens",
    attention: AttentionNames {
        projections: Projections::Separate { q: "self_attn.q_proj", k: "self_attn.k_proj", v: "self_attn.v_proj" },
        out: "self_attn.o_proj",
    },
    mlp: MlpNames { gate: Gate::Separate { gate: "mlp.gate_proj", up: "mlp.up_proj" }, down: "mlp.down_proj" },
    experts: None,
    norms: NormNames {
        before_attention: Some("input_layernorm"),
        after_attention: None,
        before_mlp: Some("post_attention_layernorm"),
        after_mlp: None,
    },
};

/// Gemma 2 and 3: norms on both sides. Llama's `post_attention_layernorm` is another norm here.
pub const GEMMA2: DecoderNames = DecoderNames {
    norms: NormNames {
        before_attention: Some("input_layernorm"),
        after_attention: Some("post_attention_layernorm"),
        before_mlp: Some("pre_feedforward_layernorm"),
        after_mlp: Some("post_feedforward_layernorm"),
    },
    ..LLAMA
};

/// OLMo 2: norms on outputs only.
pub const OLMO2: DecoderNames = DecoderNames {
    norms: NormNames {
        before_attention: None,
        after_attention: Some("post_attention_layernorm"),
        before_mlp: None,
        after_mlp: Some("post_feedforward_layernorm"),
    },
    ..LLAMA
};

/// Cohere: one norm, read by attention and MLP side by side.
pub const COHERE: DecoderNames = DecoderNames {
    norms: NormNames {
        before_attention: Some("input_layernorm"),
        after_attention: None,
        before_mlp: None,
        after_mlp: None,
    },
    ..LLAMA
};

pub const PHI3: DecoderNames = DecoderNames {
    attention: AttentionNames { projections: Projections::Joined("self_attn.qkv_proj"), out: "self_attn.o_proj" },
    mlp: MlpNames { gate: Gate::Joined("mlp.gate_up_proj"), down: "mlp.down_proj" },
    ..LLAMA
};

pub const MIXTRAL: DecoderNames = DecoderNames {
    mlp: MlpNames { gate: Gate::Separate { gate: "w1", up: "w3" }, down: "w2" },
    experts: Some(ExpertNames { router: "block_sparse_moe.gate", experts: "block_sparse_moe.experts" }),
    ..LLAMA
};

pub const INTERNLM2: DecoderNames = DecoderNames {
    embeddings: "model.tok_embeddings",
    attention: AttentionNames { projections: Projections::Grouped("attention.wqkv"), out: "attention.wo" },
    mlp: MlpNames { gate: Gate::Separate { gate: "feed_forward.w1", up: "feed_forward.w3" }, down: "feed_forward.w2" },
    experts: None,
    norms: NormNames {
        before_attention: Some("attention_norm"),
        after_attention: None,
        before_mlp: Some("ffn_norm"),
        after_mlp: None,
    },
};
