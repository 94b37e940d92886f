//! A watch keeps something to itself.
