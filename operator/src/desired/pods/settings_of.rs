//! The settings of each pod, from the spec.

use std::net::{Ipv6Addr, SocketAddr};

use crds::{EncoderImplementation, LiveStream, Start, Unjudged};
use proto::StreamName;
use settings::{EnhancerSettings, MediaNodeSettings, NetworkSettings, PatchSettings, StartFrom, TrainerSettings};

use super::{HEALTH_PORT, HTTP_PORT, INTERNAL_PORT, MEDIA_PORT, Placement, services, volumes};
use crate::{names::internal_service, options::Options};

/// Without training, patches only judge.
const PATCHES_TO_JUDGE: u32 = 1;

pub(super) fn media_node(stream: &LiveStream, name: &StreamName, options: &Options) -> MediaNodeSettings {
    let spec = &stream.spec;
    let patches = &spec.training.patches;
    MediaNodeSettings {
        stream: name.to_string(),
        listen: any(HTTP_PORT),
        internal_listen: any(INTERNAL_PORT),
        media_listen: any(MEDIA_PORT),
        advertised_addresses_file: Some(volumes::ADVERTISED_ADDRESSES.into()),
        publish_token_file: spec.ingest.publish_token_secret_ref.as_ref().map(|_| volumes::PUBLISH_TOKEN.into()),
        view_token_file: spec.relay.view_token_secret_ref.as_ref().map(|_| volumes::VIEW_TOKEN.into()),
        internal_token_file: Some(volumes::INTERNAL_TOKEN.into()),
        nats_url: Some(options.nats.nats_url.clone()),
        nats_credentials_file: Some(volumes::NATS_CREDENTIALS.into()),
        scale: spec.enhancement.scale,
        network: network(stream),
        patches: PatchSettings {
            per_second: if spec.training.enabled { patches.per_second } else { PATCHES_TO_JUDGE },
            size_pixels: patches.size_pixels,
            max_kbps: patches.max_kbps,
        },
        unjudged: match spec.enhancement.unjudged {
            Unjudged::General => settings::Unjudged::General,
            Unjudged::Bicubic => settings::Unjudged::Bicubic,
        },
        max_viewers: spec.relay.max_viewers,
        service_url: Some(services::public_url(name)),
        ..MediaNodeSettings::default()
    }
}

pub(super) fn enhancer(
    stream: &LiveStream,
    name: &StreamName,
    placement: Placement<'_>,
    threads: u32,
    options: &Options,
) -> EnhancerSettings {
    EnhancerSettings {
        stream: name.to_string(),
        media_node_url: media_node_url(name),
        internal_token_file: Some(volumes::INTERNAL_TOKEN.into()),
        nats_url: Some(options.nats.nats_url.clone()),
        nats_credentials_file: Some(volumes::NATS_CREDENTIALS.into()),
        scale: stream.spec.enhancement.scale,
        network: network(stream),
        device: device(placement),
        threads,
        encoder: match stream.spec.enhancement.encoder.implementation {
            EncoderImplementation::X264 => "libx264",
            EncoderImplementation::Nvenc => "h264_nvenc",
        }
        .to_owned(),
        bitrate_kbps: stream.spec.enhancement.encoder.bitrate_kbps,
        health_listen: Some(any(HEALTH_PORT)),
        ..EnhancerSettings::default()
    }
}

pub(super) fn trainer(
    stream: &LiveStream,
    name: &StreamName,
    placement: Placement<'_>,
    threads: u32,
    options: &Options,
) -> TrainerSettings {
    TrainerSettings {
        stream: name.to_string(),
        media_node_url: media_node_url(name),
        internal_token_file: Some(volumes::INTERNAL_TOKEN.into()),
        nats_url: options.nats.nats_url.clone(),
        nats_credentials_file: Some(volumes::NATS_CREDENTIALS.into()),
        scale: stream.spec.enhancement.scale,
        network: network(stream),
        start: match stream.spec.training.start {
            Start::Stream => StartFrom::Stream,
            Start::General => StartFrom::General,
            Start::None => StartFrom::None,
        },
        device: device(placement),
        threads,
        health_listen: Some(any(HEALTH_PORT)),
        ..TrainerSettings::default()
    }
}

fn network(stream: &LiveStream) -> NetworkSettings {
    let shape = &stream.spec.enhancement.network;
    NetworkSettings { unshuffle: shape.unshuffle, features: shape.features, layers: shape.layers }
}

/// What a pod with an accelerator finds there is the image's matter.
fn device(placement: Placement<'_>) -> String {
    match placement {
        Placement::Cpu => "cpu",
        Placement::Accelerator(_) => "auto",
    }
    .to_owned()
}

fn media_node_url(name: &StreamName) -> String {
    format!("http://{}.{}.svc:{INTERNAL_PORT}", internal_service(name), name.namespace())
}

fn any(port: u16) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, port).into()
}
