//! A checkpoint service for tests: takes everything, or is unavailable.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use proto::v1::{
    Accepted, Checkpoint, GetRequest, GetResponse, ListRequest, ListResponse, PinRequest, PinResponse, PublishRequest,
    PublishResponse, WatchRequest, WatchResponse,
    checkpoint_service_server::{CheckpointService, CheckpointServiceServer},
    publish_response,
};
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, transport::Server};

#[derive(Clone)]
pub(crate) struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    token: String,
    unavailable: AtomicBool,
    refused: AtomicUsize,
    asked_in_vain: AtomicUsize,
    live: Mutex<Option<Checkpoint>>,
    accepted: Mutex<Vec<Checkpoint>>,
}

impl Registry {
    pub(crate) async fn start(token: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { token: format!("Bearer {token}"), ..Shared::default() });
        let service = CheckpointServiceServer::from_arc(shared.clone());
        let server = Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set_available(&self, available: bool) {
        self.shared.unavailable.store(!available, Ordering::SeqCst);
    }

    /// Calls of `Publish` while it was unavailable.
    pub(crate) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// Calls of `Get` while it was unavailable.
    pub(crate) fn asked_in_vain(&self) -> usize {
        self.shared.asked_in_vain.load(Ordering::SeqCst)
    }

    pub(crate) fn set_live(&self, checkpoint: Checkpoint) {
        *self.shared.live.lock().unwrap() = Some(checkpoint);
    }

    pub(crate) fn accepted(&self) -> Vec<Checkpoint> {
        self.shared.accepted.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.shared.accepted.lock().unwrap().clear();
    }
}

#[tonic::async_trait]
impl CheckpointService for Shared {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        let authorization = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if authorization != Some(&self.token) {
            return Err(Status::unauthenticated("wrong token"));
        }
        if self.unavailable.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Status::unavailable("for the test"));
        }
        let checkpoint = request.into_inner().checkpoint.unwrap();
        let mut accepted = self.accepted.lock().unwrap();
        accepted.push(checkpoint);
        let answer = Accepted { version: accepted.len() as u64, measured: None };
        Ok(Response::new(PublishResponse { result: Some(publish_response::Result::Accepted(answer)) }))
    }

    async fn get(&self, _: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        if self.unavailable.load(Ordering::SeqCst) {
            self.asked_in_vain.fetch_add(1, Ordering::SeqCst);
            return Err(Status::unavailable("for the test"));
        }
        let checkpoint = self.live.lock().unwrap().clone().ok_or_else(|| Status::not_found("nothing is live"))?;
        Ok(Response::new(GetResponse { checkpoint: Some(checkpoint) }))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not for trainers"))
    }

    async fn pin(&self, _: Request<PinRequest>) -> Result<Response<PinResponse>, Status> {
        Err(Status::unimplemented("not for trainers"))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        Err(Status::unimplemented("not for trainers"))
    }
}
