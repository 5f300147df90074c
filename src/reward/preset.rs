//! `init:tiny|small|base`: the shapes of models trained from scratch.
//!
//! Ordinary Llama configurations, so that transformers, TRL and vLLM load what comes out.

use serde_json::{Value, json};

/// A shape by name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    pub vocab: usize,
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub intermediate: usize,
    pub max_length: usize,
    /// Standard deviation of drawn matrices.
    pub initializer_range: f64,
}

/// All presets, smallest first.
pub const PRESETS: [Preset; 3] = [
    preset("tiny", 4096, 96, 2, 4, 256, 0.02),
    // Wide initial matrices: with 0.02 narrow models do not find which response belongs to a prompt.
    preset("small", 8192, 128, 3, 4, 384, 0.06),
    preset("base", 16384, 256, 4, 8, 768, 0.04),
];

const fn preset(
    name: &'static str,
    vocab: usize,
    hidden: usize,
    layers: usize,
    heads: usize,
    intermediate: usize,
    initializer_range: f64,
) -> Preset {
    Preset { name, vocab, hidden, layers, heads, intermediate, max_length: 512, initializer_range }
}

/// The preset of that name.
pub fn find(name: &str) -> Option<Preset> {
    PRESETS.into_iter().find(|preset| preset.name == name)
}

/// Ids the tokenizer gives its special tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialIds {
    pub pad: u32,
    pub bos: Option<u32>,
    pub eos: u32,
}

impl Preset {
    /// `config.json` for a tokenizer of `vocab` entries (which may come out smaller than asked for).
    pub fn config(&self, vocab: usize, special: SpecialIds) -> Value {
        json!({
            "architectures": ["LlamaForSequenceClassification"],
            "model_type": "llama",
            "vocab_size": vocab,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "head_dim": self.hidden / self.heads,
            "hidden_act": "silu",
            "max_position_embeddings": self.max_length,
            "rms_norm_eps": 1e-6,
            "initializer_range": self.initializer_range,
            "attention_bias": false,
            "mlp_bias": false,
            "attention_dropout": 0.0,
            "rope_theta": 10000.0,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "tie_word_embeddings": false,
            "use_cache": false,
            "pad_token_id": special.pad,
            "bos_token_id": special.bos,
            "eos_token_id": special.eos,
            "id2label": {"0": "LABEL_0"},
            "label2id": {"LABEL_0": 0},
            "torch_dtype": "float32",
            "dtype": "float32",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::config::BackboneConfig;

    #[test]
    fn every_preset_is_a_valid_configuration_with_one_label() {
        for preset in PRESETS {
            let config = preset.config(preset.vocab, SpecialIds { pad: 0, bos: None, eos: 1 });
            let parsed = BackboneConfig::parse(&config).unwrap();
            assert_eq!((parsed.num_labels, parsed.max_length), (1, Some(preset.max_length as i64)));
        }
    }
}
