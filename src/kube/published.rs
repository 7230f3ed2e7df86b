//! The snapshot that one replica collects and the others read, in Secrets of rolecall's own namespace.
//!
//! Secrets, because they are there wherever the API server is: a replica that starts while AWS is out of reach knows at once
//! what its predecessor knew, and no port between replicas has to be opened or guarded. IAM data is confidential,
//! so they are no ConfigMaps. A Secret takes 1 MiB; a compressed snapshot that is longer is cut into several, which are all
//! there before the head names them. What is longer than [`MAX_PARTS`] is not published: each replica then collects for
//! itself, and an object store that all read (`--source s3://…`) is the better place.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};

use super::explain;

/// The head's name; parts are called `NAME-GENERATION-NUMBER`.
const NAME: &str = "rolecall-snapshot";
/// The label of all of them, and its value.
const LABEL: (&str, &str) = ("app.kubernetes.io/component", "rolecall-snapshot");
/// The most Secrets that a snapshot is cut into.
const MAX_PARTS: usize = 32;
/// The longest snapshot that is read, uncompressed, in bytes: what is longer is not one of ours.
const MAX_SNAPSHOT_BYTES: u64 = 512 << 20;

/// What the head says of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// When its collection began.
    pub began: Timestamp,
    /// Every part of it was read.
    pub is_whole: bool,
    /// So many Secrets hold it; none: the head itself does.
    pub parts: usize,
    /// It is too long to be published.
    #[serde(default)]
    pub too_large: bool,
}

impl About {
    /// What tells one collection's Secrets from another's.
    fn generation(&self) -> String {
        self.began.as_millisecond().to_string()
    }
}

/// A snapshot as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedSnapshot {
    /// What the head says.
    pub about: About,
    /// The document; empty where it is too long.
    pub document: String,
}

/// What came of publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// Others can read it.
    Published,
    /// Another replica published what is newer.
    Outdated,
    /// It is too long; others know.
    TooLarge,
}

/// The place where snapshots are published.
#[derive(Clone)]
pub struct Published {
    secrets: Api<Secret>,
    own: Api<PartialObjectMeta<Secret>>,
    part_bytes: usize,
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Published").field("part_bytes", &self.part_bytes).finish_non_exhaustive()
    }
}

impl Published {
    /// The place in this namespace, where a Secret holds so many bytes.
    pub fn new(client: Client, namespace: &str, part_bytes: usize) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            own: Api::namespaced(client, namespace),
            part_bytes: part_bytes.max(1),
        }
    }

    /// Publishes a document whose collection began then.
    ///
    /// # Errors
    /// A sentence, where the API server refused, or did not answer.
    pub async fn publish(&self, document: String, began: Timestamp, is_whole: bool) -> Result<Publication, String> {
        let compressed =
            tokio::task::spawn_blocking(move || compress(&document)).await.map_err(|e| e.to_string())??;
        let parts: Vec<&[u8]> = match compressed.len() <= self.part_bytes {
            true => Vec::new(),
            false => compressed.chunks(self.part_bytes).collect(),
        };
        let too_large = parts.len() > MAX_PARTS;
        let about = About { began, is_whole, parts: if too_large { 0 } else { parts.len() }, too_large };
        let before = self.secrets.get_opt(NAME).await.map_err(|error| explain(&error))?;
        let known = before.as_ref().and_then(|head| about_in(head).ok());
        if known.as_ref().is_some_and(|known| known.began > began) {
            return Ok(Publication::Outdated);
        }
        if !too_large {
            for (number, part) in parts.iter().enumerate() {
                let secret = secret(part_name(&about, number), BTreeMap::from([("part".to_owned(), bytes(part))]));
                self.create(&secret).await?;
            }
        }
        let text = serde_json::to_vec(&about).map_err(|error| error.to_string())?;
        let mut data = BTreeMap::from([("about".to_owned(), ByteString(text))]);
        if parts.is_empty() {
            data.insert("snapshot".to_owned(), ByteString(compressed));
        }
        let mut head = secret(NAME.to_owned(), data);
        let written = match before {
            Some(before) => {
                // Another replica wrote in between, with newer data.
                head.metadata.resource_version = before.metadata.resource_version;
                self.secrets.replace(NAME, &PostParams::default(), &head).await
            }
            None => self.secrets.create(&PostParams::default(), &head).await,
        };
        match written {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 409 => return Ok(Publication::Outdated),
            Err(error) => return Err(explain(&error)),
        }
        self.sweep(&about, known.as_ref()).await;
        Ok(if too_large { Publication::TooLarge } else { Publication::Published })
    }

    async fn create(&self, secret: &Secret) -> Result<(), String> {
        match self.secrets.create(&PostParams::default(), secret).await {
            Ok(_) => Ok(()),
            // Left by an attempt that broke off: names are never used for anything else.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(explain(&error)),
        }
    }

    /// Deletes the parts of snapshots before the last one, which another replica may still be reading.
    async fn sweep(&self, now: &About, before: Option<&About>) {
        let label = format!("{}={}", LABEL.0, LABEL.1);
        let Ok(own) = self.own.list(&ListParams::default().labels(&label)).await else {
            return;
        };
        let kept: Vec<String> =
            before.into_iter().chain([now]).map(|about| format!("{NAME}-{}-", about.generation())).collect();
        for name in own.items.into_iter().filter_map(|secret| secret.metadata.name) {
            if name != NAME && !kept.iter().any(|prefix| name.starts_with(prefix)) {
                // Whatever is left now, the next sweep takes.
                let _ = self.secrets.delete(&name, &DeleteParams::default()).await;
            }
        }
    }

    /// What is published; `None` where nothing is.
    ///
    /// # Errors
    /// A sentence, where it cannot be read.
    pub async fn read(&self) -> Result<Option<PublishedSnapshot>, String> {
        let mut fault = String::new();
        // The parts of a head may be gone once the next but one was published: then there is a newer head.
        for _ in 0..3 {
            let Some(head) = self.secrets.get_opt(NAME).await.map_err(|error| explain(&error))? else {
                return Ok(None);
            };
            match self.whole(head).await {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(sentence) => fault = sentence,
            }
        }
        Err(fault)
    }

    async fn whole(&self, head: Secret) -> Result<PublishedSnapshot, String> {
        let about = about_in(&head)?;
        if about.too_large {
            return Ok(PublishedSnapshot { about, document: String::new() });
        }
        let compressed = if about.parts == 0 {
            datum(head, "snapshot")?
        } else {
            let mut compressed = Vec::new();
            for number in 0..about.parts.min(MAX_PARTS) {
                let part = self.secrets.get(&part_name(&about, number)).await.map_err(|error| explain(&error))?;
                compressed.extend(datum(part, "part")?);
            }
            compressed
        };
        let document = tokio::task::spawn_blocking(move || decompress(&compressed)).await;
        Ok(PublishedSnapshot { about, document: document.map_err(|error| error.to_string())?? })
    }

    /// Everything that is published from now on, and what is at the start; errors are sentences, and the watch goes on.
    pub fn follow(&self) -> impl Stream<Item = Result<PublishedSnapshot, String>> + Send + '_ {
        let only = Config::default().fields(&format!("metadata.name={NAME}"));
        let heads = watcher(self.own.clone(), only).default_backoff();
        futures_util::stream::unfold(Box::pin(heads), move |mut heads| async move {
            loop {
                let read = match heads.next().await? {
                    Ok(Event::Apply(_) | Event::InitApply(_)) => self.read().await.transpose(),
                    Ok(Event::Init | Event::InitDone | Event::Delete(_)) => None,
                    Err(error) => Some(Err(error.to_string())),
                };
                if let Some(read) = read {
                    return Some((read, heads));
                }
            }
        })
    }
}

fn secret(name: String, data: BTreeMap<String, ByteString>) -> Secret {
    let labels = [LABEL, ("app.kubernetes.io/managed-by", "rolecall")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let metadata = ObjectMeta { name: Some(name), labels: Some(labels), ..ObjectMeta::default() };
    Secret { metadata, data: Some(data), ..Secret::default() }
}

fn part_name(about: &About, number: usize) -> String {
    format!("{NAME}-{}-{number}", about.generation())
}

fn bytes(part: &[u8]) -> ByteString {
    ByteString(part.to_vec())
}

fn about_in(head: &Secret) -> Result<About, String> {
    let about = head.data.as_ref().and_then(|data| data.get("about")).map(|text| text.0.as_slice()).unwrap_or_default();
    serde_json::from_slice(about)
        .map_err(|error| format!("Secret {NAME}: about: {error}; delete the Secret; rolecall writes it again"))
}

fn datum(secret: Secret, key: &str) -> Result<Vec<u8>, String> {
    let name = secret.metadata.name.unwrap_or_default();
    let datum = secret.data.and_then(|mut data| data.remove(key));
    datum.map(|datum| datum.0).ok_or_else(|| format!("Secret {name}: {key}: is absent"))
}

fn compress(document: &str) -> Result<Vec<u8>, String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(document.as_bytes()).and_then(|()| encoder.finish()).map_err(|error| error.to_string())
}

fn decompress(compressed: &[u8]) -> Result<String, String> {
    let mut document = String::new();
    let read = GzDecoder::new(compressed).take(MAX_SNAPSHOT_BYTES + 1).read_to_string(&mut document);
    match read {
        Ok(length) if u64::try_from(length).unwrap_or(u64::MAX) <= MAX_SNAPSHOT_BYTES => Ok(document),
        Ok(_) => Err(format!("Secret {NAME}: the snapshot is over {MAX_SNAPSHOT_BYTES} bytes long")),
        Err(error) => Err(format!("Secret {NAME}: the snapshot cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back() {
        let document = "é{}".repeat(100_000);
        assert_eq!(decompress(&compress(&document).unwrap()).unwrap(), document);
        assert!(decompress(b"no gzip").unwrap_err().contains("cannot be read"));
        let cut = compress(&document).unwrap();
        assert!(decompress(&cut[..cut.len() / 2]).is_err(), "half a snapshot is none");
    }
}
