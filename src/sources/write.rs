//! Where `rolecall snapshot` puts what it collected. A reader finds the old snapshot or the new one, never a part.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;

use super::aws::AwsSettings;
use super::place::{SourceKind, file_path};
use super::store::{Object, Written};

/// Where a snapshot goes.
#[derive(Debug)]
pub struct Target {
    name: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    StandardOutput,
    File(std::path::PathBuf),
    Object(Box<Object>),
}

impl Target {
    /// Opens a place: a path, a `file:` or `s3:` URL, or `-` for standard output. Writes nothing yet, so that a wrong place
    /// is known before anything is collected.
    ///
    /// # Errors
    /// Where it is of a kind that cannot be written, or its folder is not there.
    pub async fn open(target: &str, settings: &AwsSettings) -> anyhow::Result<Self> {
        let place = match SourceKind::of(target) {
            SourceKind::StandardInput => Place::StandardOutput,
            SourceKind::S3 => Place::Object(Box::new(Object::open(target, settings).await?)),
            SourceKind::Web => bail!("{target}: is read only; write to a file or to s3://BUCKET/KEY"),
            SourceKind::File | SourceKind::Aws => {
                let path = file_path(target);
                let folder = folder(path);
                if !folder.is_dir() {
                    bail!("{target}: there is no folder {}", folder.display());
                }
                Place::File(path.to_owned())
            }
        };
        Ok(Self { name: target.to_owned(), place })
    }

    /// Writes a snapshot.
    ///
    /// # Errors
    /// Where it cannot be written: the message names the place.
    pub async fn write(&self, text: &str, collected_at: Timestamp, out: &mut dyn Write) -> anyhow::Result<Written> {
        match &self.place {
            Place::StandardOutput => {
                out.write_all(text.as_bytes())?;
                out.flush()?;
                Ok(Written::Done)
            }
            Place::File(path) => {
                replace(path, text).with_context(|| format!("{}: cannot be written", self.name))?;
                Ok(Written::Done)
            }
            Place::Object(object) => object.write(text, collected_at).await,
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file beside, and moves it into place once it is on the disk. What is no plain file, such as `/dev/stdout` or a
/// pipe, is written straight.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return std::fs::write(path, text);
    }
    // Another rolecall may be writing too.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder(path).join(format!(".{name}.{}", std::process::id()));
    let written = write_through(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write_through(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
