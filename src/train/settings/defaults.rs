//! The defaults, as `default.toml` has them.

use super::*;

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            source: SourceSettings::default(),
            seed: 0,
            epochs: 1.0,
            max_steps: None,
            batch_size: 64,
            token_budget: 16_384,
            checkpoint_layers: 0,
            length_window: 1,
            over_length: OverLength::default(),
            length_balance: false,
            repeat_balance: false,
            lr: 1e-4,
            warmup_ratio: 0.05,
            warmup_steps: None,
            weight_decay: 0.01,
            betas: [0.9, 0.999],
            eps: 1e-8,
            clip: 1.0,
            head_lr_multiplier: 1.0,
            moments: Precision::Full,
            embedding_rows: true,
            head_init: HeadInit::default(),
            ema_decay: None,
            eval_every: None,
            eval_limit: None,
            eval_overlap: EvalOverlap::default(),
            best_metric: BestMetric::default(),
            patience: None,
            final_model: FinalModel::default(),
            save_every: None,
            keep_checkpoints: 2,
            tensorboard: true,
            objective: Objective::default(),
            schedule: Schedule::Linear {},
            lm_stride: 4,
            pretraining: PretrainingSettings::default(),
            auxiliary: AuxiliarySettings::default(),
            dropout: DropoutSettings::default(),
            init: InitSettings::default(),
            adapter: AdapterSettings::default(),
            groups: Vec::new(),
            sampling: SamplingSettings::default(),
            columns: ColumnMap::default(),
            text: TextOverrides::default(),
        }
    }
}
