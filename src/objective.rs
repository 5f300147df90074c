//! What training minimises.

pub mod language_model;
