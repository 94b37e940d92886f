//! Between the operator and the API server: a record of its requests, and what goes wrong with one of them.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::client::{Body, DynBody};
use operator::client::ApiServer;
use serde_json::json;
use tokio::sync::Notify;
use tower::{BoxError, Layer, Service};

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The operator ends when it is carried out, and before it has the answer.
    Crash,
    /// It is not carried out, and this is the answer.
    Answer(u16),
    /// It is carried out, and the answer is lost.
    LoseAnswer,
}

/// A request that was sent: watches and lists are none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) answer: Option<u16>,
}

/// A layer of the operator's client. Its requests go one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    state: Arc<Mutex<State>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    crashed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    /// Which call is to go wrong, and how.
    fault: Option<(usize, Fault)>,
    /// Calls whose path has this in it are refused.
    refused: Option<String>,
}

impl Call {
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// Events are told to people; nothing depends on them.
    pub(crate) fn is_event(&self) -> bool {
        self.path.contains("/events")
    }
}

impl Wire {
    /// From now on calls are counted from zero, and this one goes wrong.
    pub(crate) fn arm(&self, fault: Option<(usize, Fault)>) {
        *self.state() = State { fault, ..State::default() };
    }

    /// From now on every call whose path has `part` in it fails.
    pub(crate) fn refuse(&self, part: &str) {
        self.state().refused = Some(part.to_owned());
    }

    /// What was made and taken away, in order of names.
    pub(crate) fn lives(&self) -> Vec<String> {
        let done =
            self.calls().into_iter().filter(|call| !call.is_event() && call.answer.is_some_and(|code| code < 300));
        let done = done.filter(|call| [Method::POST, Method::DELETE].contains(&call.method));
        let name = |path: &str| path.split('/').skip(5).collect::<Vec<_>>().join("/");
        let mut lives: Vec<_> = done.map(|call| format!("{} {}", call.method, name(&call.path))).collect();
        lives.sort();
        lives
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.state().calls.len()
    }

    /// Returns when the fault was a crash, and has come.
    pub(crate) async fn crashed(&self) {
        self.crashed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, method: Method, path: String) -> (usize, Option<Fault>) {
        let mut state = self.state();
        let index = state.calls.len();
        let refused = state.refused.as_ref().is_some_and(|part| path.contains(part)).then_some(Fault::Answer(500));
        state.calls.push(Call { method, path, answer: None });
        (index, refused.or(state.fault.filter(|(at, _)| *at == index).map(|(_, fault)| fault)))
    }

    fn end(&self, index: usize, answer: StatusCode) {
        if let Some(call) = self.state().calls.get_mut(index) {
            call.answer = Some(answer.as_u16());
        }
    }
}

impl Layer<ApiServer> for Wire {
    type Service = Faulty;

    fn layer(&self, inner: ApiServer) -> Faulty {
        Faulty { wire: self.clone(), inner: Arc::new(tokio::sync::Mutex::new(inner)) }
    }
}

pub(crate) struct Faulty {
    wire: Wire,
    inner: Arc<tokio::sync::Mutex<ApiServer>>,
}

type Answer = Result<Response<Box<DynBody>>, BoxError>;

impl Service<Request<Body>> for Faulty {
    type Response = Response<Box<DynBody>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (wire, inner) = (self.wire.clone(), self.inner.clone());
        Box::pin(async move {
            if is_look(&request) {
                return send(&inner, request).await;
            }
            let _turn = wire.turn.lock().await;
            let (index, fault) = wire.begin(request.method().clone(), request.uri().path().to_owned());
            if let Some(Fault::Answer(code)) = fault {
                wire.end(index, StatusCode::from_u16(code)?);
                return refuse(code);
            }
            let answer = send(&inner, request).await?;
            wire.end(index, answer.status());
            match fault {
                Some(Fault::Crash) => {
                    wire.crashed.notify_one();
                    // It keeps its turn: nothing is sent any more.
                    std::future::pending().await
                }
                Some(Fault::LoseAnswer) => Err("the connection broke before the answer came".into()),
                _ => Ok(answer),
            }
        })
    }
}

/// A watch or a list.
fn is_look(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.method() == Method::GET && (query.contains("watch=") || query.contains("limit="))
}

async fn send(inner: &tokio::sync::Mutex<ApiServer>, request: Request<Body>) -> Answer {
    let answer = {
        let mut inner = inner.lock().await;
        std::future::poll_fn(|context| inner.poll_ready(context)).await?;
        inner.call(request)
    };
    answer.await
}

fn refuse(code: u16) -> Answer {
    let reason = match code {
        409 => "Conflict",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": "as the test asks", "reason": reason, "code": code,
    });
    let body = Full::from(status.to_string()).map_err(BoxError::from);
    let mut answer = Response::new(Box::new(body) as Box<DynBody>);
    *answer.status_mut() = StatusCode::from_u16(code)?;
    Ok(answer)
}
