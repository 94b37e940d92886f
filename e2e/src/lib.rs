//! What the README promises, held by tests over the real programs.
