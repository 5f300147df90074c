//! Languages, readers, checks, conversion: small files made here, and the real data where it is at hand.

mod languages;
mod layouts;
mod real;
