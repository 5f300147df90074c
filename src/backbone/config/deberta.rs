//! `config.json` of DeBERTa (v1, v2, v3) to the switches of the BERT family.

use serde_json::Value;

use super::encoder::{ConvolutionConfig, EncoderConfig, Positions, Projections, RelativeConfig};
use super::keys::Keys;
use super::{Activation, ConfigError, ModelType};

pub(super) fn parse(
    at: &Keys,
    model_type: ModelType,
    hidden: i64,
    heads: i64,
    rows: i64,
) -> Result<EncoderConfig, ConfigError> {
    let v1 = model_type == ModelType::Deberta;
    if v1 && at.optional_bool("talking_head")?.unwrap_or(false) {
        return Err(ConfigError::Unsupported("`talking_head` attention is not supported".into()));
    }
    // Other widths than the model's do not fit the layers after them, in transformers neither.
    for (key, only) in [("attention_head_size", hidden / heads), ("pooler_hidden_size", hidden)] {
        if let Some(width) = at.optional_int(key)?.filter(|width| *width != only) {
            return Err(ConfigError::Unsupported(format!("`{key}` is {width}, which does not fit: only {only} does")));
        }
    }
    let ways = Ways::parse(at)?;
    let relative = relative(at, v1, ways, rows)?;
    Ok(EncoderConfig {
        heads,
        act: Activation::at(at, "hidden_act", Activation::Gelu)?,
        norm_eps: at.optional_float("layer_norm_eps")?.unwrap_or(1e-7),
        positions: match at.optional_bool("position_biased_input")?.unwrap_or(true) {
            true => Positions::FromZero { rows },
            false => Positions::Absent,
        },
        type_vocab: at.optional_int("type_vocab_size")?.unwrap_or(0),
        embedding_width: at.optional_int("embedding_size")?.unwrap_or(hidden),
        projections: if v1 { Projections::Joined } else { Projections::Suffixed },
        // Counted whether or not relative attention is on.
        score_terms: 1 + i64::from(ways.content_to_position) + i64::from(ways.position_to_content),
        relative,
        convolution: if v1 { None } else { convolution(at)? },
        pooler_act: Activation::at(at, "pooler_hidden_act", Activation::Gelu)?,
    })
}

/// The ways in which positions enter attention scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ways {
    content_to_position: bool,
    position_to_content: bool,
}

impl Ways {
    /// `pos_att_type`: a list, or names with `|` between them.
    fn parse(at: &Keys) -> Result<Self, ConfigError> {
        const KEY: &str = "pos_att_type";
        let wrong = |found: &Value| ConfigError::Wrong {
            key: KEY.into(),
            expected: "c2p, p2c or both",
            found: found.to_string(),
        };
        let mut ways = Self { content_to_position: false, position_to_content: false };
        let Some(value) = at.present(KEY) else { return Ok(ways) };
        let names: Vec<String> = match value {
            Value::String(text) => text.to_lowercase().split('|').map(|name| name.trim().to_owned()).collect(),
            Value::Array(names) => names
                .iter()
                .map(|n| n.as_str().map(str::to_owned).ok_or_else(|| wrong(value)))
                .collect::<Result<_, _>>()?,
            _ => return Err(wrong(value)),
        };
        for name in names {
            match name.as_str() {
                "c2p" => ways.content_to_position = true,
                "p2c" => ways.position_to_content = true,
                _ => return Err(wrong(value)),
            }
        }
        Ok(ways)
    }
}

fn relative(at: &Keys, v1: bool, ways: Ways, rows: i64) -> Result<Option<RelativeConfig>, ConfigError> {
    let norms = match at.present("norm_rel_ebd").filter(|_| !v1) {
        Some(_) => at.string("norm_rel_ebd")?.to_lowercase(),
        None => String::new(),
    };
    let norm = norms.split('|').any(|name| name.trim() == "layer_norm");
    let on = at.optional_bool("relative_attention")?.unwrap_or(false);
    if !on {
        return match norm {
            true => Err(ConfigError::Unsupported("`norm_rel_ebd` without `relative_attention`".into())),
            false => Ok(None),
        };
    }
    if !ways.content_to_position && !ways.position_to_content {
        let text = "`relative_attention` is true, but `pos_att_type` names no way for it to act";
        return Err(ConfigError::Unsupported(text.into()));
    }
    let longest = at.optional_int("max_relative_positions")?.filter(|&n| n > 0).unwrap_or(rows);
    let buckets = at.optional_int("position_buckets")?.filter(|&n| n > 0 && !v1);
    if buckets == Some(1) {
        return Err(ConfigError::Unsupported("`position_buckets` is 1: at least 2 are needed".into()));
    }
    Ok(Some(RelativeConfig {
        span: buckets.unwrap_or(longest),
        buckets,
        longest,
        norm,
        content_to_position: ways.content_to_position,
        position_to_content: ways.position_to_content,
        shared: !v1 && at.optional_bool("share_att_key")?.unwrap_or(false),
    }))
}

fn convolution(at: &Keys) -> Result<Option<ConvolutionConfig>, ConfigError> {
    let Some(kernel) = at.optional_int("conv_kernel_size")?.filter(|&n| n > 0) else { return Ok(None) };
    if kernel % 2 == 0 {
        return Err(ConfigError::Unsupported(format!("`conv_kernel_size` is {kernel}: it must be odd")));
    }
    Ok(Some(ConvolutionConfig {
        kernel,
        groups: at.optional_int("conv_groups")?.unwrap_or(1),
        act: Activation::at(at, "conv_act", Activation::Tanh)?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mdeberta() -> Value {
        json!({
            "hidden_act": "gelu", "layer_norm_eps": 1e-7, "max_relative_positions": -1, "position_buckets": 256,
            "norm_rel_ebd": "layer_norm", "share_att_key": true, "pos_att_type": "p2c|c2p", "type_vocab_size": 0,
            "position_biased_input": false, "relative_attention": true, "pooler_hidden_act": "gelu",
            "pooler_hidden_size": 768,
        })
    }

    fn parsed(config: &Value) -> Result<EncoderConfig, ConfigError> {
        parse(&Keys(config), ModelType::DebertaV2, 768, 12, 512)
    }

    #[test]
    fn mdeberta_has_no_longest_sequence() {
        let config = parsed(&mdeberta()).unwrap();
        assert_eq!((config.max_length(Some(0)), config.score_terms), (None, 3));
        let relative = config.relative.unwrap();
        assert_eq!((relative.span, relative.longest, relative.buckets), (256, 512, Some(256)));
        assert!(relative.shared && relative.norm && config.convolution.is_none());
    }

    #[test]
    fn absolute_positions_end() {
        let mut config = mdeberta();
        config["position_biased_input"] = json!(true);
        assert_eq!(parsed(&config).unwrap().max_length(Some(0)), Some(512));
    }

    #[test]
    fn what_cannot_be_computed_is_refused_by_key() {
        for (key, value) in [
            ("pos_att_type", json!("p2p")),
            ("pos_att_type", json!([])),
            ("conv_kernel_size", json!(4)),
            ("attention_head_size", json!(32)),
            ("position_buckets", json!(1)),
            ("relative_attention", json!(false)),
            ("norm_rel_ebd", json!(3)),
            ("conv_act", json!("mish")),
        ] {
            let mut config = mdeberta();
            config[key] = value.clone();
            if key == "conv_act" {
                config["conv_kernel_size"] = json!(3);
            }
            let error = parsed(&config).unwrap_err().to_string();
            assert!(error.contains(key), "{key} = {value}: {error}");
        }
    }
}
