//! How trainer and enhancer call the media-node's checkpoint service: with the internal token and room for weights.

mod token;

use proto::{MAX_GRPC_MESSAGE_BYTES, v1::checkpoint_service_client::CheckpointServiceClient};
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

pub use token::{InternalToken, TokenError, read_token};

pub type RegistryClient = CheckpointServiceClient<InterceptedService<Channel, InternalToken>>;

/// Cheap to clone; connects when it is used, and again after a failure.
#[must_use]
pub fn registry_client(endpoint: &Endpoint, token: InternalToken) -> RegistryClient {
    CheckpointServiceClient::with_interceptor(endpoint.connect_lazy(), token)
        .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES)
}
