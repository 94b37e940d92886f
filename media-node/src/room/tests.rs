//! The room on a virtual clock.
