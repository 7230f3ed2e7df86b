//! Lists, page by page and as text: the caller reduces each page at once, so that no list is ever held whole.

use std::time::Duration;

use anyhow::anyhow;
use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Most items of a page.
const PAGE: usize = 500;
/// How long a page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a request is tried that fails for a reason that may pass.
const TRIES: u32 = 4;
/// How often a list is begun again because the API server forgot where it was.
const RESTARTS: u32 = 5;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A right is missing: the API server's sentence.
    #[error("{0}")]
    Denied(String),
    /// There is no such object, or no such kind.
    #[error("there is none")]
    Absent,
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// What a list has to say.
#[derive(Debug)]
pub enum Seen<'p> {
    /// The next items.
    Page(&'p [&'p RawValue]),
    /// The list begins again: what came before is void.
    Restarted,
}

#[derive(Deserialize)]
struct Page<'p> {
    #[serde(default)]
    metadata: PageMetadata,
    /// Null where there are none.
    #[serde(borrow, default)]
    items: Option<Vec<&'p RawValue>>,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(rename = "continue", default)]
    next: Option<String>,
}

/// Where a page of a list is, from the token of the page before.
pub(super) fn page_uri(path: &str, items: usize, query: &str, token: Option<&str>) -> String {
    let query = if query.is_empty() { String::new() } else { format!("&{query}") };
    let from = token.map(|token| format!("&continue={token}")).unwrap_or_default();
    format!("{path}?limit={items}{query}{from}")
}

/// The answer cannot be read.
pub(super) fn no_list(path: &str, error: &serde_json::Error) -> Refusal {
    anyhow!("{path}: the API server's answer is no list: {error}").into()
}

/// Lists what is at a path, such as `/api/v1/pods`. A token that expired between two pages (410) goes on where it was where
/// the API server offers that, else the list begins again.
///
/// # Errors
/// Where the list is refused or cannot be had, and whatever `see` returns.
pub async fn list(
    client: &Client,
    path: &str,
    query: &str,
    mut see: impl FnMut(Seen<'_>) -> anyhow::Result<()>,
) -> Result<(), Refusal> {
    let mut token: Option<String> = None;
    let mut restarts = 0;
    loop {
        let text = match request(client, &page_uri(path, PAGE, query, token.as_deref()), None).await {
            Ok(text) => text,
            Err(kube::Error::Api(status)) if status.code == 410 && restarts < RESTARTS => {
                restarts += 1;
                token = status.metadata.and_then(|metadata| metadata.continue_).filter(|token| !token.is_empty());
                if token.is_none() {
                    see(Seen::Restarted)?;
                }
                continue;
            }
            Err(error) => return Err(refusal(path, &error)),
        };
        let page: Page<'_> = serde_json::from_str(&text).map_err(|error| no_list(path, &error))?;
        see(Seen::Page(page.items.as_deref().unwrap_or_default()))?;
        token = page.metadata.next.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(());
        }
    }
}

/// The names of what is at a path, with their namespaces: only metadata travels.
///
/// # Errors
/// Where the list is refused or cannot be had.
pub async fn list_names(client: &Client, path: &str, query: &str) -> Result<Vec<(String, String)>, Refusal> {
    #[derive(Deserialize)]
    struct Listed {
        metadata: PageMetadata,
        items: Option<Vec<Item>>,
    }
    #[derive(Deserialize)]
    struct Item {
        metadata: Name,
    }
    #[derive(Deserialize)]
    struct Name {
        name: String,
        #[serde(default)]
        namespace: String,
    }
    const NAMES: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let mut names = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let text = request(client, &page_uri(path, PAGE, query, token.as_deref()), Some(NAMES))
            .await
            .map_err(|error| refusal(path, &error))?;
        let listed: Listed = serde_json::from_str(&text).map_err(|error| no_list(path, &error))?;
        names.extend(listed.items.into_iter().flatten().map(|item| (item.metadata.namespace, item.metadata.name)));
        token = listed.metadata.next.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(names);
        }
    }
}

/// The object at a path.
///
/// # Errors
/// Where it is absent or refused, or cannot be had.
pub async fn get(client: &Client, path: &str) -> Result<String, Refusal> {
    request(client, path, None).await.map_err(|error| refusal(path, &error))
}

/// Asks, and asks again where the reason may pass: too many requests, a server that starts, a connection that broke.
async fn request(client: &Client, target: &str, accept: Option<&str>) -> Result<String, kube::Error> {
    let mut tries = 1;
    loop {
        let mut request = hyper::Request::get(target);
        if let Some(accept) = accept {
            request = request.header(hyper::header::ACCEPT, accept);
        }
        let request = request.body(Vec::new()).map_err(kube::Error::HttpError)?;
        let answer = match tokio::time::timeout(PAGE_TIMEOUT, client.request_text(request)).await {
            Ok(answer) => answer,
            Err(_) => {
                let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "the API server did not answer in time");
                Err(kube::Error::Service(Box::new(late)))
            }
        };
        match answer {
            Err(error) if tries < TRIES && may_pass(&error) => {
                let asked = match &error {
                    kube::Error::Api(status) => status.details.as_ref().map(|details| details.retry_after_seconds),
                    _ => None,
                };
                let wait = asked.filter(|seconds| (1..=30).contains(seconds)).map_or_else(
                    || Duration::from_millis(200 << tries),
                    |seconds| Duration::from_secs(u64::from(seconds)),
                );
                tokio::time::sleep(wait).await;
                tries += 1;
            }
            answer => return answer,
        }
    }
}

fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500 | 502 | 503 | 504),
        // A connection that broke is made again; a certificate that is not trusted stays so.
        kube::Error::HyperError(_) => true,
        _ => false,
    }
}

pub(super) fn refusal(path: &str, error: &kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) if status.code == 403 => Refusal::Denied(status.message.clone()),
        kube::Error::Api(status) if status.code == 404 => Refusal::Absent,
        kube::Error::Api(status) if status.code == 401 => Refusal::Failed(anyhow!(
            "the API server does not accept the credentials of this context: log in again, or name another by --context"
        )),
        other => Refusal::Failed(anyhow!("{path}: {}", super::explain(other))),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use hyper::{Request, Response};
    use kube::client::Body;
    use tower::service_fn;

    use super::*;

    /// A client whose API server gives these answers, one after the other; and what it was asked for.
    fn client(answers: &[(u16, &str)]) -> (Client, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers: Vec<(u16, String)> = answers.iter().map(|(code, text)| (*code, (*text).to_owned())).collect();
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        let seen = Arc::clone(&asked);
        let service = service_fn(move |request: Request<Body>| {
            seen.lock().unwrap().push(request.uri().to_string());
            let (code, text) = answers.lock().unwrap().next().unwrap();
            let response = Response::builder().status(code).body(Body::from(text.into_bytes())).unwrap();
            async move { Ok::<_, Infallible>(response) }
        });
        (Client::new(service, "default"), asked)
    }

    async fn collect(client: &Client) -> Result<Vec<String>, Refusal> {
        let mut items = Vec::new();
        list(client, "/api/v1/pods", "", |seen| {
            match seen {
                Seen::Page(page) => items.extend(page.iter().map(|item| item.get().to_owned())),
                Seen::Restarted => items.clear(),
            }
            Ok(())
        })
        .await?;
        Ok(items)
    }

    const EXPIRED: &str = r#"{"kind":"Status","status":"Failure","message":"gone","reason":"Expired","code":410}"#;

    #[tokio::test]
    async fn follows_the_token_from_page_to_page() {
        let (client, asked) = client(&[
            (200, r#"{"metadata":{"continue":"abc"},"items":[1,2]}"#),
            (200, r#"{"metadata":{},"items":[3]}"#),
        ]);
        assert_eq!(collect(&client).await.unwrap(), ["1", "2", "3"]);
        assert_eq!(*asked.lock().unwrap(), ["/api/v1/pods?limit=500", "/api/v1/pods?limit=500&continue=abc"]);
    }

    #[tokio::test]
    async fn begins_anew_where_the_token_expired() {
        let (client, _) = client(&[
            (200, r#"{"metadata":{"continue":"abc"},"items":[1,2]}"#),
            (410, EXPIRED),
            (200, r#"{"metadata":{"continue":""},"items":[1,3]}"#),
        ]);
        assert_eq!(collect(&client).await.unwrap(), ["1", "3"]);
    }

    #[tokio::test]
    async fn goes_on_where_the_api_server_offers_it() {
        let offered = EXPIRED.replace("\"code\"", "\"metadata\":{\"continue\":\"on\"},\"code\"");
        let (client, asked) = client(&[
            (200, r#"{"metadata":{"continue":"abc"},"items":[1,2]}"#),
            (410, &offered),
            (200, r#"{"metadata":{},"items":[3]}"#),
        ]);
        assert_eq!(collect(&client).await.unwrap(), ["1", "2", "3"]);
        assert!(asked.lock().unwrap()[2].ends_with("&continue=on"));
    }

    #[tokio::test(start_paused = true)]
    async fn tries_again_what_may_pass_and_tells_what_is_denied() {
        let busy =
            r#"{"kind":"Status","status":"Failure","message":"busy","code":429,"details":{"retryAfterSeconds":1}}"#;
        let (patient, _) = client(&[(429, busy), (503, "starting"), (200, r#"{"metadata":{},"items":null}"#)]);
        assert!(collect(&patient).await.unwrap().is_empty());
        let denied = r#"{"kind":"Status","status":"Failure","message":"pods is forbidden","code":403}"#;
        let (denied, _) = client(&[(403, denied)]);
        assert!(matches!(collect(&denied).await, Err(Refusal::Denied(message)) if message == "pods is forbidden"));
        let (absent, _) = client(&[(404, "404 page not found")]);
        assert!(matches!(collect(&absent).await, Err(Refusal::Absent)));
    }
}
