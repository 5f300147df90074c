//! Layers' parameters with what an adapter adds to them: merged, or kept beside.

use tch::{Kind, Tensor};

use super::{Init, ParamError, ParamSource, Wanted, fits};
use crate::backbone::lora::adapter::{DOWN, EMBEDDING_DOWN, EMBEDDING_UP, MAGNITUDE, TOKEN_ROWS, UP, UP_BIAS};
use crate::backbone::lora::{AdapterUse, LowRank, row_norms};

/// Parameters of a linear layer.
pub struct LinearParams {
    /// [out, in]
    pub weight: Tensor,
    /// [out]
    pub bias: Option<Tensor>,
    /// What is added to the weight; `None` where nothing is, or where it is in the weight already.
    pub low_rank: Option<LowRank>,
}

/// Parameters of an embedding.
pub struct EmbeddingParams {
    /// [rows, width]
    pub weight: Tensor,
    pub low_rank: Option<LowRank>,
}

/// The linear layers that make up the output of a head or a language model, which `all-linear` does not mean.
const OUTPUTS: [&str; 5] = ["score", "classifier", "lm_head", "output", "language_model.lm_head"];

/// Names of the two factors.
type Factors = (&'static str, &'static str);

impl ParamSource {
    /// A linear layer of the backbone, or of the head: then in f32, and drawn where the checkpoint lacks it.
    pub fn take_linear(
        &mut self,
        module: &str,
        [out, inp]: [i64; 2],
        bias: bool,
        init: Init,
        head: bool,
    ) -> Result<LinearParams, ParamError> {
        let kind = if head { Kind::Float } else { self.kind };
        let (weight_name, bias_name) = (format!("{module}.weight"), format!("{module}.bias"));
        let wanted = |init, kind| Wanted { init, kind, optional: head, embedding: false };
        let is_plain = !OUTPUTS.contains(&module);
        let Some(mut low_rank) = self.low_rank(module, [out, inp], (DOWN, UP), is_plain)? else {
            let weight = self.take_as(&weight_name, &[out, inp], wanted(init, kind))?;
            let bias = match bias {
                true => Some(self.take_as(&bias_name, &[out], wanted(Init::Zeros, kind))?),
                false => None,
            };
            return Ok(LinearParams { weight, bias, low_rank: None });
        };
        let merged = self.is_merged();
        let kept = if merged { Kind::Float } else { kind };
        let weight = self.fetch(&weight_name, &[out, inp], wanted(init, kept))?;
        let bias = match bias {
            true => Some(self.fetch(&bias_name, &[out], wanted(Init::Zeros, kept))?),
            false => None,
        };
        if merged {
            let merged_weight = low_rank.merged(&weight).to_kind(kind);
            let weight = self.keep(&weight_name, merged_weight)?;
            self.mapped.remove(&weight_name);
            if low_rank.up_bias.is_some() && bias.is_none() {
                return Err(self.adapter_problem(format!("`{module}` gets a bias, which it has no room for")));
            }
            let bias = match bias {
                Some(bias) => {
                    self.mapped.remove(&bias_name);
                    Some(self.keep(&bias_name, low_rank.merged_bias(&bias).to_kind(kind))?)
                }
                None => None,
            };
            return Ok(LinearParams { weight, bias, low_rank: None });
        }
        self.keep_apart(module, &mut low_rank, (DOWN, UP), &weight)?;
        let weight = self.keep(&weight_name, weight)?;
        let bias = bias.map(|bias| self.keep(&bias_name, bias)).transpose()?;
        Ok(LinearParams { weight, bias, low_rank: Some(low_rank) })
    }

    /// An embedding [rows, width]; an adapter may add to it, or replace some of its rows.
    pub fn take_embedding(
        &mut self,
        module: &str,
        [rows, width]: [i64; 2],
        init: Init,
    ) -> Result<EmbeddingParams, ParamError> {
        let name = format!("{module}.weight");
        let wanted = |kind| Wanted { init, kind, optional: false, embedding: true };
        let kind = self.kind;
        let low_rank = self.low_rank(module, [width, rows], (EMBEDDING_DOWN, EMBEDDING_UP), false)?;
        let token_rows = self.token_rows(module, [rows, width])?;
        let Some(mut low_rank) = low_rank else {
            let mut weight = self.fetch(&name, &[rows, width], wanted(kind))?;
            if let Some((index, values)) = token_rows {
                weight = weight.index_copy(0, &index, &values.to_kind(kind));
                self.mapped.remove(&name);
            }
            return Ok(EmbeddingParams { weight: self.keep(&name, weight)?, low_rank: None });
        };
        if token_rows.is_some() {
            return Err(self.adapter_problem(format!("`{module}` is both added to and replaced in rows")));
        }
        if self.is_merged() {
            let weight = self.fetch(&name, &[rows, width], wanted(Kind::Float))?;
            let merged = low_rank.merged(&weight.tr()).tr().contiguous().to_kind(kind);
            self.mapped.remove(&name);
            return Ok(EmbeddingParams { weight: self.keep(&name, merged)?, low_rank: None });
        }
        let weight = self.take_as(&name, &[rows, width], wanted(kind))?;
        self.keep_apart(module, &mut low_rank, (EMBEDDING_DOWN, EMBEDDING_UP), &weight.tr())?;
        Ok(EmbeddingParams { weight, low_rank: Some(low_rank) })
    }

    fn is_merged(&self) -> bool {
        self.adapter.as_ref().is_some_and(|adapter| adapter.usage == AdapterUse::Merged)
    }

    fn adapter_problem(&self, problem: String) -> ParamError {
        ParamError::Adapter { problem, place: self.adapter.as_ref().map(|a| a.place()).unwrap_or_default() }
    }

    /// A tensor that the adapter has in full, in place of the checkpoint's.
    pub(super) fn brought_by_adapter(
        &mut self,
        name: &str,
        shape: &[i64],
        wanted: Wanted,
    ) -> Result<Option<Tensor>, ParamError> {
        let Some(adapter) = self.adapter.as_ref().filter(|adapter| !adapter.is_new()) else { return Ok(None) };
        let (key, place) = (adapter.config.key(name), adapter.place());
        let module = key.rsplit_once('.').map_or(key, |(module, _)| module);
        let may = adapter.config.may_bring(key, module, wanted.embedding);
        match adapter.stored(name) {
            Some(stored) if may.map_err(|e| self.adapter_problem(e))? => fits(name, &stored, shape)?,
            // What the configuration lists must be there: a head of the base in its place would be a wrong one.
            None if adapter.config.is_listed(module) => {
                return Err(ParamError::Missing { name: name.to_owned(), shape: shape.to_vec(), place });
            }
            _ => return Ok(None),
        }
        let loaded = match &mut self.adapter {
            Some(adapter) => adapter.load(name, wanted.kind, self.device)?,
            None => None,
        };
        if loaded.as_ref().is_some_and(|loaded| loaded.mapped) {
            self.mapped.insert(name.to_owned());
        }
        Ok(loaded.map(|loaded| loaded.tensor))
    }

    /// What the adapter adds to a module, in f32: taken, or drawn where it is a new one.
    fn low_rank(
        &mut self,
        module: &str,
        [out, inp]: [i64; 2],
        (down, up): Factors,
        linear: bool,
    ) -> Result<Option<LowRank>, ParamError> {
        let Some(adapter) = &self.adapter else { return Ok(None) };
        let (config, key) = (&adapter.config, adapter.config.key(module));
        let target = config.is_target(key, linear).map_err(|e| self.adapter_problem(e))?;
        if !target {
            return Ok(None);
        }
        let rank = config.rank(key).map_err(|e| self.adapter_problem(e))?;
        let scale = config.scale(key).map_err(|e| self.adapter_problem(e))?;
        let (dora, biased, is_new) = (config.dora, config.lora_bias && up == UP, adapter.is_new());
        let dropout = if dora { 0.0 } else { config.dropout };
        let name = |part: &str| format!("{module}.{part}");
        if is_new {
            // PEFT's beginning: kaiming_uniform with a = √5 is U(±1/√in).
            let bound = (inp as f64).powf(-0.5);
            return Ok(Some(LowRank {
                down: self.draw(&name(down), &[rank, inp], Init::Uniform(bound), Kind::Float),
                up: self.draw(&name(up), &[out, rank], Init::Zeros, Kind::Float),
                up_bias: biased.then(|| self.draw(&name(UP_BIAS), &[out], Init::Zeros, Kind::Float)),
                magnitude: None,
                scale,
                dropout,
            }));
        }
        Ok(Some(LowRank {
            down: self.of_adapter(&name(down), &[rank, inp])?,
            up: self.of_adapter(&name(up), &[out, rank])?,
            up_bias: if biased { Some(self.of_adapter(&name(UP_BIAS), &[out])?) } else { None },
            magnitude: if dora { Some(self.of_adapter(&name(MAGNITUDE), &[out])?) } else { None },
            scale,
            dropout,
        }))
    }

    /// A tensor that the adapter's file must have.
    fn of_adapter(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, ParamError> {
        let device = self.device;
        let missing = |place| ParamError::Missing { name: name.to_owned(), shape: shape.to_vec(), place };
        let Some(adapter) = &mut self.adapter else { return Err(missing(Default::default())) };
        let place = adapter.place();
        let stored = adapter.stored(name).ok_or_else(|| missing(place.clone()))?;
        fits(name, &stored, shape)?;
        let loaded = adapter.load(name, Kind::Float, device)?.ok_or_else(|| missing(place))?;
        if loaded.mapped {
            self.mapped.insert(name.to_owned());
        }
        Ok(loaded.tensor)
    }

    /// Indices and values of the rows that the adapter replaces.
    fn token_rows(&mut self, module: &str, [rows, width]: [i64; 2]) -> Result<Option<(Tensor, Tensor)>, ParamError> {
        let Some(adapter) = &self.adapter else { return Ok(None) };
        let name = format!("{module}.{TOKEN_ROWS}");
        let Some(index) = adapter.config.token_rows(adapter.config.key(module)).filter(|_| adapter.has(&name)) else {
            return Ok(None);
        };
        if let Some(row) = index.iter().find(|&&row| row < 0 || row >= rows) {
            let problem = format!("row {row} of `{module}` is to be replaced, which has {rows}");
            return Err(self.adapter_problem(problem));
        }
        let index = index.to_vec();
        let values = self.of_adapter(&name, &[index.len() as i64, width])?;
        self.replaced_rows = true;
        Ok(Some((Tensor::from_slice(&index).to_device(self.device), values)))
    }

    /// Makes the addition's tensors parameters of the model.
    fn keep_apart(
        &mut self,
        module: &str,
        low_rank: &mut LowRank,
        (down, up): Factors,
        weight_oi: &Tensor,
    ) -> Result<(), ParamError> {
        let begins_dora =
            self.adapter.as_ref().is_some_and(|a| a.is_new() && a.config.dora) && low_rank.magnitude.is_none();
        if begins_dora {
            low_rank.magnitude = Some(row_norms(&weight_oi.to_kind(Kind::Float)));
        }
        let parts = [
            (down, Some(&low_rank.down)),
            (up, Some(&low_rank.up)),
            (UP_BIAS, low_rank.up_bias.as_ref()),
            (MAGNITUDE, low_rank.magnitude.as_ref()),
        ];
        for (part, tensor) in parts {
            if let Some(tensor) = tensor {
                let _ = self.keep(&format!("{module}.{part}"), tensor.shallow_clone())?;
            }
        }
        Ok(())
    }
}
