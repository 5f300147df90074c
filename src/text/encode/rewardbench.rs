//! Token ids as RewardBench's DPO inference has them (allenai/reward-bench, `rewardbench/dpo.py`), misreadings
//! included: for `--compat rewardbench` only.
//!
//! The prompt is rendered without the header of the answer, so that header and closing tokens count as the
//! response's. A BOS is put first whatever the template wrote (EOS where the tokenizer has none), an EOS last. Where a
//! comparison's longest response does not fit beside a prompt, the prompt keeps its last 128 tokens; where it still
//! does not, responses keep their first 1,920.

use super::{Encoded, ItemRef, TextError, TextPipeline};
use crate::preference::{Comparison, Response};

const MAX_LENGTH: usize = 2048;
const MAX_PROMPT_LENGTH: usize = 128;

/// One sequence in its two parts.
struct Parts {
    prompt: Vec<u32>,
    answer: Vec<u32>,
}

impl TextPipeline {
    /// The same texts as RewardBench's DPO inference makes tokens of them; length limit, BOS policy and other
    /// settings do not apply.
    pub fn as_rewardbench(mut self) -> Self {
        self.rewardbench = true;
        self
    }

    pub(super) fn encode_as_rewardbench(&self, comparison: &Comparison) -> Result<Encoded, TextError> {
        let missing = |what: &str| TextError::Encode {
            at: ItemRef::of(comparison),
            response: 0,
            problem: format!("RewardBench's DPO inference needs {what}, and the tokenizer has none"),
        };
        let eos = self.eos_id().ok_or_else(|| missing("an EOS token"))?;
        let bos = self.bos_id.unwrap_or(eos);
        let mut parts = Vec::new();
        for (index, response) in comparison.responses().enumerate() {
            parts.push(self.parts(comparison, index, response, bos, eos)?);
        }
        // Of a pair its longer response; of more responses the longest.
        let longest = parts.iter().map(|parts| parts.answer.len()).max().unwrap_or(0);
        let mut encoded = Encoded::default();
        for Parts { mut prompt, mut answer } in parts {
            let whole = prompt.len() + answer.len();
            if prompt.len() + longest > MAX_LENGTH {
                prompt.drain(..prompt.len().saturating_sub(MAX_PROMPT_LENGTH));
            }
            if prompt.len() + longest > MAX_LENGTH {
                answer.truncate(MAX_LENGTH - MAX_PROMPT_LENGTH);
            }
            encoded.truncated.push(prompt.len() + answer.len() < whole);
            encoded.prompt_tokens.push(prompt.len());
            prompt.append(&mut answer);
            encoded.sequences.push(prompt);
        }
        Ok(encoded)
    }

    fn parts(
        &self,
        comparison: &Comparison,
        index: usize,
        response: &Response,
        bos: u32,
        eos: u32,
    ) -> Result<Parts, TextError> {
        let at = || ItemRef::of(comparison);
        let template = self.template.as_ref().ok_or(TextError::NoTemplate)?;
        let conversation = &*self.asked(comparison.prompt_of(response));
        let rendered = |response| template.render(conversation, response, false);
        let failed = |source| TextError::Render { at: at(), response: index, source };
        let prompt = rendered(None).map_err(failed)?;
        let full = rendered(Some(response)).map_err(failed)?;
        // Every occurrence of the prompt goes, also one that the answer quotes.
        let answer = full.replace(&prompt, "");
        let ids = |text: String| {
            let encoding = self.files.tokenizer.encode_fast(text, false);
            let ids = encoding.map(|encoding| encoding.get_ids().to_vec());
            ids.map_err(|e| TextError::Encode { at: at(), response: index, problem: e.to_string() })
        };
        let alone = ids(prompt.clone())?;
        let whole = ids(prompt + &answer)?;
        // A last token of the prompt that merged with the answer's first belongs to the answer.
        let start =
            if whole.starts_with(&alone) { alone.len() } else { alone.len().saturating_sub(1).min(whole.len()) };
        let prompt = [&[bos][..], &whole[..start]].concat();
        let answer = [&whole[start..], &[eos][..]].concat();
        Ok(Parts { prompt, answer })
    }
}
