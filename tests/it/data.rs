//! Languages, readers, checks, conversion: small files made here, and the real data where it is at hand.

mod checks;
mod formats;
mod languages;
mod layouts;
mod real;
mod training;
