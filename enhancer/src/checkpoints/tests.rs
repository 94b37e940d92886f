//! Against a registry of this test's own, over real gRPC.

use std::{io::Write, net::SocketAddr};

use proto::{
    MAX_GRPC_MESSAGE_BYTES,
    v1::{
        GetResponse, ListRequest, ListResponse, PinRequest, PinResponse, PublishRequest, PublishResponse, Restored,
        WatchResponse, Withdrawn,
        checkpoint_service_server::{CheckpointService, CheckpointServiceServer},
    },
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, transport::Server};

use super::*;

/// Tells each watcher the same events, then ends the watch.
#[derive(Clone)]
struct Registry {
    events: Vec<Event>,
}

const TOKEN: &str = "secret";

fn authorised<T>(request: &Request<T>) -> Result<(), Status> {
    let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    if given == Some("Bearer secret") { Ok(()) } else { Err(Status::unauthenticated("token")) }
}

#[tonic::async_trait]
impl CheckpointService for Registry {
    type WatchStream = std::pin::Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        authorised(&request)?;
        let events = self.events.clone().into_iter().map(|event| Ok(WatchResponse { event: Some(event) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(events))))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        authorised(&request)?;
        let checkpoint = Checkpoint { version: request.into_inner().version, ..Checkpoint::default() };
        Ok(Response::new(GetResponse { checkpoint: Some(checkpoint) }))
    }

    async fn publish(&self, _: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        Err(Status::unimplemented("publish"))
    }

    async fn pin(&self, _: Request<PinRequest>) -> Result<Response<PinResponse>, Status> {
        Err(Status::unimplemented("pin"))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        Err(Status::unimplemented("list"))
    }
}

async fn serve(registry: Registry) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = CheckpointServiceServer::new(registry).max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let server = tokio::spawn(async move {
        let served = Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        served.await.unwrap();
    });
    (address, server)
}

fn checkpoint(version: u64, bytes: usize) -> Event {
    Event::Checkpoint(Checkpoint { version, safetensors: vec![7; bytes].into(), ..Checkpoint::default() })
}

/// The first `count` events that a watcher passes on, as a letter and a version.
async fn passed_on(events: Vec<Event>, count: usize) -> Vec<(char, u64)> {
    let mut token_file = tempfile::NamedTempFile::new().unwrap();
    writeln!(token_file, "{TOKEN}").unwrap();
    let (address, server) = serve(Registry { events }).await;
    let (sender, mut received) = mpsc::channel(16);
    let checkpoints = Checkpoints {
        url: format!("http://{address}"),
        token_file: Some(token_file.path().to_owned()),
        stream: "default/demo".parse().unwrap(),
        events: sender,
    };
    let shutdown = Shutdown::default();
    let watcher = tokio::spawn(checkpoints.run(shutdown.clone()));
    let mut seen = Vec::new();
    while seen.len() < count {
        let (_, event) = timeout(Duration::from_secs(20), received.recv()).await.expect("an event in time").unwrap();
        seen.push(match event {
            Event::Checkpoint(checkpoint) => ('c', checkpoint.version),
            Event::Withdrawn(withdrawn) => ('w', withdrawn.version),
            Event::Restored(restored) => ('r', restored.version),
        });
    }
    shutdown.request();
    watcher.await.unwrap().unwrap();
    server.abort();
    seen
}

#[tokio::test]
async fn every_event_is_passed_on_also_of_the_largest_checkpoint() {
    let withdrawn = Event::Withdrawn(Withdrawn { version: 2, reason: "worse".to_owned() });
    let events = vec![checkpoint(1, 10), checkpoint(2, 16 << 20), withdrawn, Event::Restored(Restored { version: 2 })];
    assert_eq!(passed_on(events, 4).await, [('c', 1), ('c', 2), ('w', 2), ('r', 2)]);
}

#[tokio::test]
async fn a_version_that_is_restored_and_not_known_is_fetched_first() {
    let restored = Event::Restored(Restored { version: 9 });
    assert_eq!(passed_on(vec![checkpoint(1, 10), restored], 3).await, [('c', 1), ('c', 9), ('r', 9)]);
}

#[tokio::test]
async fn a_watch_that_ends_begins_again() {
    assert_eq!(passed_on(vec![checkpoint(5, 10)], 3).await, [('c', 5), ('c', 5), ('c', 5)]);
}
