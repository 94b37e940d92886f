//! sr-model
