//! A proxy in front of the emulator that records every call and spoils the answers that a test names.

mod body;
mod call;
mod fault;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::emulator::Emulator;
use crate::http;
use crate::seed::Account;
use body::Answer;
pub use call::Call;
pub use fault::Fault;
use fault::Kind;

/// Stands between a client and the emulator. When it is dropped, its connections close.
#[derive(Debug)]
pub struct FaultProxy {
    address: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    emulator: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    calls: Vec<Call>,
    /// Access keys of sessions that went through, with their accounts.
    sessions: BTreeMap<String, String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultProxy {
    /// Starts one on a free port of the loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(emulator: &Emulator) -> Result<Self> {
        Self::before(emulator.address()).await
    }

    /// Starts one in front of any HTTP server at `HOST:PORT`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn before(address: &str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let shared = Arc::new(Shared { emulator: address.to_owned(), state: Mutex::default() });
        Ok(Self {
            address: listener.local_addr()?.to_string(),
            shared: Arc::clone(&shared),
            server: tokio::spawn(serve(listener, shared)),
        })
    }

    /// For `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// An account as a client sees it through this proxy: its calls are recorded, and spoiled.
    #[must_use]
    pub fn account(&self, id: &str) -> Account {
        Account::new(&self.address, id)
    }

    /// Adds a fault. Of several for one call, delays and rewrites add up, and of the others the first strikes.
    pub fn fault(&self, fault: Fault) {
        self.shared.state().faults.push(fault);
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.shared.state().faults.clear();
    }

    /// Every call so far, in the order in which they came in.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// How often an action was called: `iam:GetRole`.
    #[must_use]
    pub fn count(&self, action: &str) -> usize {
        self.shared.state().calls.iter().filter(|call| call.action == action).count()
    }

    /// Forgets the calls so far; what still runs is not recorded further.
    pub fn forget(&self) -> Vec<Call> {
        std::mem::take(&mut self.shared.state().calls)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    // Without it the two halves of an answer may wait for one another.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| answer(request, &shared));
    // An error is a connection that was cut, by the client or by a fault; both are meant.
    let _ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// What is to happen to one call.
#[derive(Debug, Default)]
struct Plan {
    delays: Vec<std::time::Duration>,
    rewrites: Vec<Kind>,
    spoil: Option<Kind>,
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> io::Result<Response<Answer>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut call = Call::read(&parts, &body);
    let (number, plan) = {
        let mut state = shared.state();
        if let Some(account) = state.sessions.get(&call.access_key) {
            account.clone_into(&mut call.account);
        }
        let plan = plan(&mut state.faults, &call);
        call.spoiled = plan.spoil.is_some() || !plan.delays.is_empty() || !plan.rewrites.is_empty();
        state.calls.push(call.clone());
        (state.calls.len() - 1, plan)
    };
    for delay in &plan.delays {
        tokio::time::sleep(*delay).await;
    }
    let answer = match plan.spoil {
        Some(Kind::CutBefore) => return Err(io::ErrorKind::ConnectionReset.into()),
        Some(Kind::Error { iam, eks, message }) => {
            let (status, kind, name, body) = fault::error_answer(&call, iam, eks, &message);
            let mut answer = made(status, kind, body);
            if let Some(name) = name {
                answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(name));
            }
            answer
        }
        Some(Kind::Answer(status, body)) => {
            let kind = if call.service == "eks" { "application/json" } else { "text/xml" };
            made(status, kind, body)
        }
        Some(Kind::Malformed) => made(200, "text/html", "<html><body>Sign in to the network<br></html>".to_owned()),
        spoil => {
            let answer = forward(parts, body, &shared.emulator).await.map_err(io::Error::other)?;
            learn(shared, &call, answer.body());
            let answer = rewritten(answer, &call, &plan.rewrites);
            match spoil {
                Some(Kind::CutWithin) => {
                    record(shared, number, &call, 0);
                    return Ok(answer.map(|body| Answer::cut(&body)));
                }
                Some(Kind::Truncate) => answer.map(|body| body.slice(..body.len() / 2)),
                _ => answer,
            }
        }
    };
    record(shared, number, &call, answer.status().as_u16());
    Ok(answer.map(Answer::whole))
}

fn plan(faults: &mut [Fault], call: &Call) -> Plan {
    let mut plan = Plan::default();
    for fault in faults.iter_mut().filter(|fault| fault.concerns(call)) {
        let adds = matches!(fault.kind, Kind::Delay(_) | Kind::Rewrite(_));
        if !adds && plan.spoil.is_some() {
            continue;
        }
        if !fault.strikes() {
            continue;
        }
        match &fault.kind {
            Kind::Delay(time) => plan.delays.push(*time),
            Kind::Rewrite(_) => plan.rewrites.push(fault.kind.clone()),
            kind => plan.spoil = Some(kind.clone()),
        }
    }
    plan
}

async fn forward(mut parts: Parts, body: Bytes, to: &str) -> Result<Response<Bytes>> {
    parts.headers.remove(CONNECTION);
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(EXPECT);
    let head = parts.method == Method::HEAD;
    let mut answer = http::send(to, Request::from_parts(parts, Full::new(body))).await?;
    answer.headers_mut().remove(CONNECTION);
    answer.headers_mut().remove(TRANSFER_ENCODING);
    // The body may be changed later, and tells its own length; an answer to HEAD has a length and no body.
    if !head {
        answer.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(answer)
}

fn rewritten(answer: Response<Bytes>, call: &Call, rewrites: &[Kind]) -> Response<Bytes> {
    if rewrites.is_empty() {
        return answer;
    }
    answer.map(|body| {
        let mut text = String::from_utf8_lossy(&body).into_owned();
        for rewrite in rewrites {
            if let Kind::Rewrite(change) = rewrite {
                text = change(call, text);
            }
        }
        Bytes::from(text)
    })
}

/// Remembers whose session a key is.
fn learn(shared: &Shared, call: &Call, body: &Bytes) {
    if call.service != "sts" {
        return;
    }
    let text = String::from_utf8_lossy(body);
    let within = |open: &str, close: &str| {
        text.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map(|(found, _)| found.to_owned())
    };
    let account = within("<Arn>", "</Arn>").and_then(|arn| arn.split(':').nth(4).map(str::to_owned));
    if let (Some(key), Some(account)) = (within("<AccessKeyId>", "</AccessKeyId>"), account) {
        shared.state().sessions.insert(key, account);
    }
}

fn record(shared: &Shared, number: usize, call: &Call, status: u16) {
    // The calls may have been forgotten meanwhile.
    let mut state = shared.state();
    if let Some(recorded) = state.calls.get_mut(number)
        && recorded.parameters == call.parameters
        && recorded.action == call.action
    {
        recorded.status = status;
    }
}

fn made(status: u16, kind: &'static str, body: String) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert("x-amzn-requestid", HeaderValue::from_static("00000000-0000-0000-0000-000000000000"));
    answer
}
