//! Reconciles `LiveStream`s.
