//! A list, page by page, for a process that must not grow: a page has a limit in bytes, and fewer items are asked for where it
//! passes that.

use anyhow::anyhow;
use futures_util::AsyncReadExt;
use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::list::{Refusal, no_list, page_uri, refusal};

/// Most items of a page.
const ITEMS: usize = 100;
/// Most bytes of a page of several objects.
const MAX_BYTES: usize = 4 << 20;
/// Most bytes of a page of one object: it has at most about 1.5 MiB in etcd, and Go's JSON escapes a `<` with six bytes.
const MAX_OBJECT_BYTES: usize = 16 << 20;

/// A list that is read page by page.
pub struct Pages<'c> {
    client: &'c Client,
    path: String,
    items: usize,
    token: Option<String>,
    is_over: bool,
}

/// The text of a page.
#[derive(Debug)]
pub struct PageText(String);

/// What is in a page.
#[derive(Debug)]
pub struct PageItems<'p> {
    /// The objects.
    pub items: Vec<&'p RawValue>,
    /// How many objects come after this page, where the API server says it.
    pub remaining: usize,
}

#[derive(Deserialize)]
struct Wire<'p> {
    #[serde(default)]
    metadata: WireMetadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'p RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
    remaining_item_count: Option<usize>,
}

impl PageText {
    /// How long it is.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Its objects.
    ///
    /// # Errors
    /// Where it is no list.
    pub fn items(&self) -> Result<PageItems<'_>, serde_json::Error> {
        let Wire { metadata, items } = serde_json::from_str(&self.0)?;
        Ok(PageItems { items: items.unwrap_or_default(), remaining: metadata.remaining_item_count.unwrap_or_default() })
    }
}

impl<'c> Pages<'c> {
    /// The list at a path, such as `/api/v1/namespaces/shop/pods`.
    pub fn new(client: &'c Client, path: String) -> Self {
        Self { client, path, items: ITEMS, token: None, is_over: false }
    }

    /// Whether the last page was read.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The next page; `None` after the last one.
    ///
    /// # Errors
    /// Where the list is refused or cannot be had, or one object alone is too large.
    pub async fn next(&mut self) -> Result<Option<PageText>, Refusal> {
        if self.is_over {
            return Ok(None);
        }
        let text = loop {
            match self.read().await? {
                Some(text) => break text,
                None if self.items == 1 => {
                    return Err(anyhow!("{}: an object is larger than {MAX_OBJECT_BYTES} bytes", self.path).into());
                }
                None => self.items = (self.items / 4).max(1),
            }
        };
        let page: Wire<'_> = serde_json::from_str(&text).map_err(|error| no_list(&self.path, &error))?;
        self.token = page.metadata.next.filter(|token| !token.is_empty());
        self.is_over = self.token.is_none();
        self.items = (self.items * 4).min(ITEMS);
        Ok(Some(PageText(text)))
    }

    /// One request; `None` where the answer is too large.
    async fn read(&self) -> Result<Option<String>, Refusal> {
        let uri = page_uri(&self.path, self.items, "", self.token.as_deref());
        let request = hyper::Request::get(uri).body(Vec::new());
        let request = request.map_err(|error| refusal(&self.path, &kube::Error::HttpError(error)))?;
        let answer = self.client.request_stream(request).await.map_err(|error| refusal(&self.path, &error))?;
        let mut text = Vec::new();
        let max_bytes = if self.items == 1 { MAX_OBJECT_BYTES } else { MAX_BYTES };
        let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
        let mut answer = Box::pin(answer.take(limit + 1));
        answer.read_to_end(&mut text).await.map_err(|error| anyhow!("{}: {error}", self.path))?;
        if text.len() > max_bytes {
            return Ok(None);
        }
        let text = String::from_utf8(text).map_err(|error| anyhow!("{}: the answer is no text: {error}", self.path))?;
        Ok(Some(text))
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

    /// A client whose API server has objects of this size.
    fn client(objects: usize, bytes: usize) -> (Client, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let service = service_fn(move |request: Request<Body>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            seen.lock().unwrap().push(query.clone());
            let parameter = |name: &str| {
                let value = query.split('&').find_map(|pair| pair.strip_prefix(name));
                value.map_or(0, |value| value.parse::<usize>().unwrap())
            };
            let (from, limit) = (parameter("continue="), parameter("limit="));
            let to = (from + limit).min(objects);
            let items: Vec<String> = (from..to).map(|at| format!("\"{at}{}\"", "x".repeat(bytes))).collect();
            let next = if to < objects { to.to_string() } else { String::new() };
            let metadata = format!(r#"{{"continue":"{next}","remainingItemCount":{}}}"#, objects - to);
            let body = format!(r#"{{"metadata":{metadata},"items":[{}]}}"#, items.join(","));
            async move { Ok::<_, Infallible>(Response::new(Body::from(body.into_bytes()))) }
        });
        (Client::new(service, "default"), asked)
    }

    #[tokio::test]
    async fn a_page_that_is_too_large_is_asked_for_with_fewer_items() {
        let (client, asked) = client(60, 200 << 10);
        let mut pages = Pages::new(&client, "/api/v1/pods".to_owned());
        let mut found = 0;
        while let Some(page) = pages.next().await.unwrap() {
            let items = page.items().unwrap();
            found += items.items.len();
            assert_eq!(items.remaining, 60 - found);
        }
        assert_eq!(found, 60);
        assert_eq!(asked.lock().unwrap()[..4], ["limit=100", "limit=25", "limit=6", "limit=24&continue=6"]);
    }

    #[tokio::test]
    async fn an_object_that_is_too_large_alone_is_an_error() {
        let (found, _) = client(1, 5 << 20);
        assert!(Pages::new(&found, "/api/v1/pods".to_owned()).next().await.unwrap().is_some());
        let (client, _) = client(1, 17 << 20);
        let error = Pages::new(&client, "/api/v1/pods".to_owned()).next().await.unwrap_err();
        assert!(error.to_string().contains("an object is larger than 16777216 bytes"), "{error}");
    }
}
