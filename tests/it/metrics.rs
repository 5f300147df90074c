//! Metrics, aggregation, intervals and findings: published numbers, hand-worked cases, properties.

mod analyses;
mod baselines;
mod behaviour;
mod clarity;
mod confusion;
mod difficulty;
mod errors;
mod findings;
mod items;
mod people;
mod properties;
mod protocols;
mod published;
mod real;
mod references;
mod scale;
mod ties;
mod validity;
