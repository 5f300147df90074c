//! The pad token. This suite never pads, but transformers finds the end of a text by the pad token, and so
//! do pooling rules 1 and 2: where it is also the EOS token, they read elsewhere than at the end.

use serde_json::Value;

use super::scalar::ScalarModel;
use crate::text::pooling::Pooling;

/// What checkpoints in use call a token that stands for nothing: Llama 3.1, Qwen 2 and 3, Mistral and the
/// T5 family, ours, BERT, and tokens that are in a vocabulary for other padding.
const CANDIDATES: [&str; 8] = [
    "<|finetune_right_pad_id|>",
    "<|endoftext|>",
    "<pad>",
    "<|pad|>",
    "[PAD]",
    "<|fim_pad|>",
    "<|reserved_special_token_0|>",
    "<unk>",
];

/// A warning where the pooling rule looks for a pad token that also ends texts (trl#2758,
/// transformers#35352, Generalizable-Reward-Model#1).
pub fn warning(model: &ScalarModel) -> Option<String> {
    let pad = model.pad_id().filter(|_| model.pooling.reads_pad_id())?;
    let ends = ends(model);
    ends.contains(&pad).then(|| {
        let token = model.text.token_of(pad).unwrap_or_default();
        format!(
            "the pad token `{token}` (id {pad}) is also the EOS token: pooling `{}` {}",
            model.pooling.name(),
            match model.pooling {
                Pooling::HfLegacyFirstPad => "reads before the first one, which may stand in the prompt",
                _ => "skips one that closes the response",
            }
        )
    })
}

/// Gives a model whose pad token is EOS, or that has none, another one, so that transformers finds the end
/// of the text by it; says which. Where the rule looks for the pad token, the model is another one then:
/// for models that are trained anew.
pub fn separate(model: &mut ScalarModel) -> Option<String> {
    let ends = ends(model);
    let old = model.pad_id();
    if old.is_some_and(|pad| !ends.contains(&pad)) || !model.network.shares_prefixes() {
        return None;
    }
    let vocab = model.network.config.vocab;
    let free = |token: &'static str| {
        let id = model.text.id_of(token)?;
        (!ends.contains(&id) && i64::from(id) < vocab).then_some((token, id))
    };
    let (token, id) = CANDIDATES.into_iter().find_map(free)?;
    model.network.set_pad_id(id);
    let was = old.map_or("there was none".to_owned(), |old| format!("id {old} also ends texts"));
    Some(format!("pad token: `{token}` (id {id}), since {was}"))
}

/// The tokens that end a text: the tokenizer's EOS and those of `config.json`, one or a list.
fn ends(model: &ScalarModel) -> Vec<u32> {
    let stated = match model.network.config_json.get("eos_token_id") {
        Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_u64).collect(),
        Some(id) => id.as_u64().into_iter().collect(),
        None => Vec::new(),
    };
    stated.into_iter().filter_map(|id| u32::try_from(id).ok()).chain(model.text.eos_id()).collect()
}
