//! Judges a history by what is written in it, and by nothing else.
//!
//! This crate knows the names of events and of their fields, and no code of those that write them: a fault over there cannot hide here.
