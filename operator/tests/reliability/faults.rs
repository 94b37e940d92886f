//! One call goes wrong.
