//! Multimodal configurations: the text part as a configuration of its own.
//!
//! A reward model reads text, so that what matters of a `gemma3` checkpoint is a `gemma3_text` model.
//! What is trained or converted here is written as that, without the vision tower.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::ConfigError;

/// The text part, made whole; any other configuration is returned as it is.
///
/// Labels are the outer configuration's; padding is the text part's, where transformers' pooling looks.
pub fn text_part(config: &Value) -> Result<Cow<'_, Value>, ConfigError> {
    if config.get("model_type").and_then(Value::as_str) != Some("gemma3") {
        return Ok(Cow::Borrowed(config));
    }
    let wrong =
        |expected, found: &Value| ConfigError::Wrong { key: "text_config".into(), expected, found: found.to_string() };
    let text = config.get("text_config").ok_or(ConfigError::Missing { key: "text_config" })?;
    let given = text.as_object().ok_or_else(|| wrong("an object", text))?;
    if let Some(kind) = given.get("model_type").filter(|kind| kind.as_str() != Some("gemma3_text")) {
        return Err(wrong("of model type gemma3_text", kind));
    }
    let mut whole = gemma3_text_defaults();
    whole.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
    whole.insert("model_type".into(), json!("gemma3_text"));
    let of_whole =
        ["id2label", "label2id", "num_labels", "torch_dtype", "dtype", "transformers_version", "tie_word_embeddings"];
    for key in of_whole {
        if let Some(value) = config.get(key) {
            whole.insert(key.into(), value.clone());
        }
    }
    Ok(Cow::Owned(Value::Object(whole)))
}

/// transformers leaves out of a part's configuration what equals these.
fn gemma3_text_defaults() -> Map<String, Value> {
    let defaults = json!({
        "vocab_size": 262_208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 131_072,
        "initializer_range": 0.02,
        "rms_norm_eps": 1e-6,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
        "attention_bias": false,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
    });
    match defaults {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BackboneConfig, Family, ModelType};
    use super::*;

    /// As the published 4B checkpoint writes it, but for the labels.
    fn published() -> Value {
        json!({
            "architectures": ["Gemma3ForSequenceClassification"],
            "model_type": "gemma3",
            "pad_token_id": 7,
            "id2label": {"0": "LABEL_0"},
            "text_config": {
                "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024,
            },
            "vision_config": {"hidden_size": 1152, "model_type": "siglip_vision_model"},
        })
    }

    #[test]
    fn what_the_text_part_leaves_out_is_the_default() {
        let parsed = BackboneConfig::parse(&published()).unwrap();
        assert_eq!((parsed.vocab, parsed.max_length, parsed.num_labels), (262_208, Some(131_072), 1));
        // The outer pad id is not what pooling looks for.
        assert_eq!((parsed.model_type, parsed.pad_id), (ModelType::Gemma3, Some(0)));
        let Family::Decoder(decoder) = parsed.family else { panic!("not a decoder") };
        assert_eq!((decoder.heads, decoder.kv_heads, decoder.head_dim), (8, 4, 256));
        let windows: Vec<_> = decoder.layers[..6].iter().map(|layer| layer.window).collect();
        assert_eq!(windows, [Some(1024), Some(1024), Some(1024), Some(1024), Some(1024), None]);
    }

    #[test]
    fn what_is_written_is_the_same_model_without_the_vision_tower() {
        let config = published();
        let text = text_part(&config).unwrap();
        let mut one = BackboneConfig::parse(&config).unwrap();
        one.model_type = ModelType::Gemma3Text;
        assert_eq!(BackboneConfig::parse(&text).unwrap(), one);
        assert_eq!(text_part(&text).unwrap(), text);
    }
}
