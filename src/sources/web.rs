//! Snapshots behind HTTPS, read with conditional requests (RFC 9110, section 13).

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{
    CACHE_CONTROL, DATE, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::{Client, StatusCode, Url};

use super::aws::AwsSettings;
use super::place::{Fetched, MAX_SNAPSHOT_BYTES, utf8};

/// How long a whole answer may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);

/// A snapshot behind a URL.
#[derive(Debug)]
pub(super) struct Page {
    client: Client,
    url: Url,
    /// Without the query, which may hold a signature.
    name: String,
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

impl Page {
    pub(super) fn open(source: &str, settings: &AwsSettings) -> anyhow::Result<Self> {
        let name = source.split(['?', '#']).next().unwrap_or_default().to_owned();
        let url = Url::parse(source).with_context(|| format!("{name}: is not a URL"))?;
        if url.scheme() == "http" && !is_loopback(&url) {
            bail!("{name}: a snapshot decides who is admitted, so it is not fetched in clear; use https:");
        }
        let client = Client::builder()
            .https_only(url.scheme() == "https")
            .connect_timeout(Duration::from_secs(settings.timeout_seconds))
            .timeout(FETCH_TIMEOUT)
            .user_agent(super::USER_AGENT)
            .build()
            .with_context(|| format!("{name}: no HTTP client can be had"))?;
        Ok(Self { client, url, name, etag: None, modified: None })
    }

    pub(super) async fn poll(&mut self) -> anyhow::Result<Option<Fetched>> {
        let name = self.name.clone();
        // Caches on the way must ask the server: what they hold may be older than what a denial needs.
        let mut request = self.client.get(self.url.clone()).header(CACHE_CONTROL, "no-cache");
        if let Some(etag) = &self.etag {
            request = request.header(IF_NONE_MATCH, etag);
        } else if let Some(time) = &self.modified {
            request = request.header(IF_MODIFIED_SINCE, time);
        }
        // The error would repeat the URL with its query.
        let sent = request.send().await.map_err(reqwest::Error::without_url);
        let mut response = sent.with_context(|| format!("{name}: the snapshot cannot be fetched"))?;
        match response.status() {
            StatusCode::NOT_MODIFIED => return Ok(None),
            StatusCode::OK => {}
            status => bail!("{name}: the snapshot cannot be fetched: the server answers {status}"),
        }
        let etag = response.headers().get(ETAG).cloned();
        let modified = settled(response.headers());
        let mut bytes = Vec::new();
        loop {
            let chunk = response.chunk().await.map_err(reqwest::Error::without_url);
            match chunk.with_context(|| format!("{name}: the snapshot's transfer broke off"))? {
                None => break,
                Some(chunk) if bytes.len() as u64 + chunk.len() as u64 > MAX_SNAPSHOT_BYTES => {
                    bail!("{name}: is longer than {} MiB; that is no snapshot", MAX_SNAPSHOT_BYTES >> 20)
                }
                Some(chunk) => bytes.extend_from_slice(&chunk),
            }
        }
        let text = utf8(bytes, &name)?;
        let shown = etag.as_ref().and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        (self.etag, self.modified) = (etag, modified);
        Ok(Some(Fetched { text, etag: shown }))
    }
}

/// `Last-Modified`, where it is a strong validator: it is a minute older than the answer (RFC 9110, section
/// 8.8.2.2). Else the snapshot may change again and keep the date.
fn settled(headers: &HeaderMap) -> Option<HeaderValue> {
    let modified = headers.get(LAST_MODIFIED)?;
    let time = |value: &HeaderValue| jiff::fmt::rfc2822::parse(value.to_str().ok()?).ok().map(|time| time.timestamp());
    let age = time(headers.get(DATE)?)?.duration_since(time(modified)?);
    (age.as_secs() >= 60).then(|| modified.clone())
}

/// There is no network between this machine and itself.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_counts_once_it_is_a_minute_old() {
        let headers = |pairs: &[(reqwest::header::HeaderName, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect::<HeaderMap>()
        };
        let modified = (LAST_MODIFIED, "Tue, 15 Nov 1994 12:45:26 GMT");
        assert!(settled(&headers(&[modified.clone(), (DATE, "Tue, 15 Nov 1994 12:46:26 GMT")])).is_some());
        assert!(settled(&headers(&[modified.clone(), (DATE, "Tue, 15 Nov 1994 12:45:26 GMT")])).is_none());
        assert!(settled(&headers(&[modified])).is_none());
        assert!(settled(&headers(&[(DATE, "Tue, 15 Nov 1994 12:46:26 GMT")])).is_none());
    }

    #[test]
    fn nothing_is_fetched_in_clear() {
        let settings = AwsSettings::default();
        for (source, open) in [
            ("http://127.0.0.1:1/x", true),
            ("http://[::1]/x", true),
            ("http://localhost/x", true),
            ("http://127.0.0.1.example.com/x", false),
            ("http://example.com/x?signature=secret", false),
        ] {
            let page = Page::open(source, &settings);
            assert_eq!(page.is_ok(), open, "{source}");
            if let Err(error) = page {
                assert!(!format!("{error:#}").contains("secret"), "{error:#}");
            }
        }
    }
}
