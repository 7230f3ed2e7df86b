//! Places where snapshots lie: files, standard input, S3, web servers. Each is read again only where it has changed.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};

use super::aws::AwsSettings;
#[cfg(feature = "aws")]
use super::{store::Object, web::Page};

/// The longest snapshot that is taken from a network, in bytes. The largest account that IAM allows by default (1,000
/// roles; 5,000 on request) stays under a tenth of it.
#[cfg(feature = "aws")]
pub(super) const MAX_SNAPSHOT_BYTES: u64 = 512 << 20;

/// A snapshot's text, and the version that the place gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The text.
    pub text: String,
    /// Its ETag, where the place has such.
    pub etag: Option<String>,
}

/// Where a snapshot comes from, as the command line names it. The only place that knows the schemes of URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// `aws`: collected from AWS itself.
    Aws,
    /// `-`
    StandardInput,
    /// A path, or a `file:` URL.
    File,
    /// An `s3:` URL.
    S3,
    /// An `https:` URL, or `http:` on this machine.
    Web,
}

impl SourceKind {
    /// The kind that this text names.
    pub fn of(source: &str) -> Self {
        match (source, source.split_once(':').map(|(scheme, _)| scheme)) {
            ("aws", _) => Self::Aws,
            ("-", _) => Self::StandardInput,
            (_, Some("s3")) => Self::S3,
            (_, Some("https" | "http")) => Self::Web,
            _ => Self::File,
        }
    }

    /// After which time a snapshot from there denies no more, unless the configuration says so: four times the interval at
    /// which it is read, and at least an hour. `None`: never. A file, or what a person pipes in, is as old as its writer wants
    /// it to be. What is refreshed and still old means that refreshing fails.
    pub fn default_max_age(self, interval: Duration) -> Option<Duration> {
        match self {
            Self::StandardInput | Self::File => None,
            Self::Aws | Self::S3 | Self::Web => Some(interval.saturating_mul(4).max(MIN_DEFAULT_AGE)),
        }
    }

    /// Whether the start fails if it cannot be read at once: nothing writes it later.
    pub fn must_exist(self) -> bool {
        matches!(self, Self::StandardInput | Self::File)
    }
}

const MIN_DEFAULT_AGE: Duration = Duration::from_secs(3_600);

/// A place that is asked again and again.
#[derive(Debug)]
pub struct SnapshotSource {
    name: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    StandardInput {
        read: bool,
    },
    File {
        path: PathBuf,
        seen: Option<Version>,
    },
    #[cfg(feature = "aws")]
    Object(Box<Object>),
    #[cfg(feature = "aws")]
    Page(Box<Page>),
}

/// What changes when a file is written again, or another is moved into its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
    /// It was written long enough before it was read: no other version can look the same.
    settled: bool,
}

/// The coarsest clock of a file system that is expected.
const CLOCK_STEP: Duration = Duration::from_secs(2);

impl SnapshotSource {
    /// Opens a place: a path, a `file:`, `s3:` or `https:` URL (`http:` on this machine only), or `-`. Reads nothing yet.
    ///
    /// # Errors
    /// Where it is of a kind that this build does not read.
    #[cfg_attr(not(feature = "aws"), expect(clippy::unused_async, reason = "it waits where the feature is on"))]
    pub async fn open(source: &str, settings: &AwsSettings) -> anyhow::Result<Self> {
        let place = match SourceKind::of(source) {
            SourceKind::StandardInput => Place::StandardInput { read: false },
            #[cfg(feature = "aws")]
            SourceKind::S3 => Place::Object(Box::new(Object::open(source, settings).await?)),
            #[cfg(feature = "aws")]
            SourceKind::Web => Place::Page(Box::new(Page::open(source, settings)?)),
            #[cfg(not(feature = "aws"))]
            SourceKind::S3 | SourceKind::Web => {
                let _ = settings;
                bail!("{source}: this build has no feature `aws`, which reads s3: and https:; copy it to a file first")
            }
            SourceKind::Aws => bail!("{source}: is collected, not read; a file of that name is ./{source}"),
            SourceKind::File => Place::File { path: file_path(source).to_owned(), seen: None },
        };
        Ok(Self { name: source.to_owned(), place })
    }

    /// The place, as the command line named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The snapshot that lies there, where it is another than at the last time.
    ///
    /// # Errors
    /// Where it cannot be read: the message names the place.
    pub async fn poll(&mut self) -> anyhow::Result<Option<Fetched>> {
        match &mut self.place {
            Place::StandardInput { read: true } => Ok(None),
            Place::StandardInput { read } => {
                let text = std::io::read_to_string(std::io::stdin()).context("standard input: cannot be read")?;
                *read = true;
                Ok(Some(Fetched { text, etag: None }))
            }
            Place::File { path, seen } => {
                // A file on a network may hang: not on the threads that answer reviews.
                let (path, before) = (path.clone(), *seen);
                let read = tokio::task::spawn_blocking(move || file(&path, before)).await;
                let Some((text, version)) = read.context("the reading broke off")?? else {
                    return Ok(None);
                };
                *seen = Some(version);
                Ok(Some(Fetched { text, etag: None }))
            }
            #[cfg(feature = "aws")]
            Place::Object(object) => object.poll().await,
            #[cfg(feature = "aws")]
            Place::Page(page) => page.poll().await,
        }
    }
}

/// The path that a path or a `file:` URL names.
pub(super) fn file_path(source: &str) -> &Path {
    Path::new(source.strip_prefix("file://").or_else(|| source.strip_prefix("file:")).unwrap_or(source))
}

/// The text of a file and its version, where that is another than before.
fn file(path: &Path, before: Option<Version>) -> anyhow::Result<Option<(String, Version)>> {
    use std::os::unix::fs::MetadataExt;
    let cannot = || format!("{}: the snapshot cannot be read", path.display());
    let read_at = SystemTime::now();
    let data = std::fs::metadata(path).with_context(cannot)?;
    // A pipe has nothing by which a change could be told, and can be read only once.
    if !data.is_file() && before.is_some() {
        return Ok(None);
    }
    let modified = data.modified().ok();
    let mut version = Version { modified, length: data.len(), inode: data.ino(), settled: true };
    if before == Some(version) {
        return Ok(None);
    }
    let text = utf8(std::fs::read(path).with_context(cannot)?, &path.display().to_string())?;
    // The clock of a file system is coarse: within its step a file may change again and keep its time.
    version.settled =
        !data.is_file() || modified.is_some_and(|time| read_at.duration_since(time).is_ok_and(|age| age >= CLOCK_STEP));
    Ok(Some((text, version)))
}

pub(super) fn utf8(bytes: Vec<u8>, name: &str) -> anyhow::Result<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(e) => bail!("{name}: the snapshot is not UTF-8: byte {} is wrong", e.utf8_error().valid_up_to()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dates a file back, so that its time counts.
    fn settle(path: &Path) {
        let before = SystemTime::now() - Duration::from_secs(60);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
    }

    #[test]
    fn only_what_is_refreshed_expires_by_default() {
        let minute = Duration::from_secs(60);
        for (source, kind, hours) in [
            ("aws", SourceKind::Aws, Some(1)),
            ("-", SourceKind::StandardInput, None),
            ("snapshot.json", SourceKind::File, None),
            ("./aws", SourceKind::File, None),
            ("file:///etc/rolecall/snapshot.json", SourceKind::File, None),
            ("s3://bucket/snapshot.json", SourceKind::S3, Some(1)),
            ("https://example.com/snapshot.json", SourceKind::Web, Some(1)),
            ("http://127.0.0.1:8080/snapshot.json", SourceKind::Web, Some(1)),
        ] {
            assert_eq!(SourceKind::of(source), kind, "{source}");
            assert_eq!(kind.default_max_age(minute), hours.map(|hours| minute * 60 * hours), "{source}");
            assert_eq!(kind.default_max_age(minute * 60), hours.map(|hours| minute * 240 * hours), "{source}");
            assert_eq!(kind.must_exist(), hours.is_none(), "{source}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_again_when_another_takes_its_place() {
        let path = std::env::temp_dir().join(format!("rolecall-place-{}", std::process::id()));
        std::fs::write(&path, "one").unwrap();
        settle(&path);
        let name = format!("file://{}", path.display());
        let mut source = SnapshotSource::open(&name, &AwsSettings::default()).await.unwrap();
        assert_eq!(source.poll().await.unwrap().map(|fetched| fetched.text).as_deref(), Some("one"));
        assert_eq!(source.poll().await.unwrap(), None);
        let other = path.with_extension("new");
        std::fs::write(&other, "two").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(source.poll().await.unwrap().map(|fetched| fetched.text).as_deref(), Some("two"));
        std::fs::remove_file(&path).unwrap();
        let message = format!("{:#}", source.poll().await.unwrap_err());
        assert!(message.contains("cannot be read"), "{message}");
    }

    /// Same length, same inode, and perhaps the same time: a file that was written just now is read again.
    #[tokio::test]
    async fn a_file_that_was_written_just_now_is_read_again() {
        let path = std::env::temp_dir().join(format!("rolecall-place-step-{}", std::process::id()));
        std::fs::write(&path, "one").unwrap();
        let mut source = SnapshotSource::open(path.to_str().unwrap(), &AwsSettings::default()).await.unwrap();
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        for text in ["one", "two"] {
            std::fs::write(&path, text).unwrap();
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            assert_eq!(source.poll().await.unwrap().map(|fetched| fetched.text).as_deref(), Some(text));
        }
        settle(&path);
        assert!(source.poll().await.unwrap().is_some());
        assert_eq!(source.poll().await.unwrap(), None);
        std::fs::remove_file(&path).unwrap();
    }
}
