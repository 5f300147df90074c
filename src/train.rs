//! From preference pairs to a model directory.
