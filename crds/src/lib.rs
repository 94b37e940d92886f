//! The `LiveStream` resource.
