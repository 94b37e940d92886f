//! The messages of `proto/acuity/v1`, and the rules for a stream's name.

pub mod status;
mod stream_name;

pub mod v1 {
    //! Generated from `proto/acuity/v1/*.proto`; the comments there are the reference.
    #![allow(
        clippy::allow_attributes_without_reason,
        clippy::doc_markdown,
        clippy::large_enum_variant,
        unreachable_pub,
        reason = "generated code"
    )]
    tonic::include_proto!("acuity.v1");
}

pub use stream_name::{StreamName, StreamNameError};

/// Bound of one gRPC message in either direction, in bytes: 16 MiB of weights and what goes around them.
pub const MAX_GRPC_MESSAGE_BYTES: usize = 20 << 20;

/// What SCTP, DTLS and the data channel add to the luma of a patch, about.
pub const PATCH_OVERHEAD_BYTES: usize = 70;
