//! What stands behind the path of a token file: the mount, the volume, and what the volume has there.

use std::collections::HashMap;

use super::object::{Container, PodSpec, ServiceAccountToken, Volume};
use super::text::Text;

/// A pod's volumes by name; in a table where there are many.
#[derive(Debug, Default)]
pub struct Volumes<'a> {
    list: &'a [Volume<'a>],
    table: HashMap<&'a str, &'a Volume<'a>>,
}

impl<'a> Volumes<'a> {
    /// The volumes of a pod.
    pub fn of(spec: &'a PodSpec<'a>) -> Self {
        if spec.volumes.len() <= 32 {
            return Self { list: &spec.volumes, table: HashMap::new() };
        }
        Self { list: &[], table: spec.volumes.iter().map(|volume| (volume.name.as_str(), volume)).collect() }
    }

    /// The volume of this name.
    pub fn get(&self, name: &str) -> Option<&'a Volume<'a>> {
        self.list.iter().find(|volume| volume.name.as_str() == name).or_else(|| self.table.get(name).copied())
    }
}

/// The token volume and the mount that the injector will add to a pod: the volume unless one of its name exists, the
/// mount unless the container mounts a volume of that name (amazon-eks-pod-identity-webhook, `pkg/handler/handler.go`).
#[derive(Debug, Clone, Copy)]
pub struct TokenMount<'a> {
    /// Name of the volume.
    pub volume: &'a str,
    /// Folder in the container.
    pub mount_path: &'a str,
    /// The token's file in the volume.
    pub file: &'a str,
    /// The token's audience; empty for the API server's own.
    pub audience: &'a str,
    /// The injector adds the mount to this container, and not only the volume to the pod.
    pub mounts: bool,
}

impl TokenMount<'_> {
    /// Whether the injector will add its mount to a container.
    fn is_added(&self, container: &Container<'_>) -> bool {
        self.mounts && !container.volume_mounts.iter().any(|mount| mount.name.as_str() == self.volume)
    }

    /// The volume that the container itself mounts at the path of the mount that the injector will add. The API server
    /// refuses a container with two mounts at one path (Kubernetes, `ValidateVolumeMounts`: "must be unique").
    pub fn conflict<'c>(&self, container: &'c Container<'_>) -> Option<&'c str> {
        if !self.is_added(container) {
            return None;
        }
        let own = container.volume_mounts.iter().find(|mount| mount.mount_path.as_str() == self.mount_path)?;
        Some(own.name.as_str())
    }
}

/// What a path of a container leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenSource<'a> {
    /// The volume that is mounted there.
    pub volume: Option<&'a str>,
    /// What the volume has there.
    pub content: TokenContent<'a>,
}

/// What a volume has at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenContent<'a> {
    /// A token of the pod's service account for this audience; empty for the API server's own.
    Token(&'a str),
    /// A token of the pod's service account; which one depends on variables in the mount.
    SomeToken,
    /// The volume holds tokens only, and none of that name.
    NoSuchFile,
    /// A volume whose content cannot be seen from here.
    Opaque,
    /// No volume is mounted there.
    NotMounted,
}

/// Finds what stands behind a file of a container: the mount with the longest matching folder, and its volume.
/// `injected` is what the injector will add, for a pod that it has not seen yet.
pub fn token_source<'a>(
    volumes: &Volumes<'a>,
    container: &'a Container<'_>,
    injected: Option<TokenMount<'a>>,
    file: &str,
) -> TokenSource<'a> {
    let cleaned = clean(file);
    let below = |folder: &str| {
        let folder = clean(folder);
        let rest = cleaned.strip_prefix(folder.trim_end_matches('/'))?;
        if rest.is_empty() { Some(0) } else { rest.strip_prefix('/').map(str::len) }
    };
    let own = container.volume_mounts.iter();
    let own = own.filter_map(|mount| Some((below(mount.mount_path.as_str())?, Some(mount), mount.name.as_str())));
    let added = injected
        .filter(|injected| injected.is_added(container))
        .and_then(|injected| Some((below(injected.mount_path)?, None, injected.volume)));
    // Of two mounts that lead to one folder the later one covers the other.
    let Some((rest, mount, name)) = own.chain(added).rev().min_by_key(|(rest, ..)| *rest) else {
        return TokenSource { volume: None, content: TokenContent::NotMounted };
    };
    let path = cleaned.get(cleaned.len() - rest..).unwrap_or_default();
    let sub_path = mount.and_then(|mount| mount.sub_path.as_ref()).map(|sub| sub.as_str().trim_end_matches('/'));
    let path = match sub_path {
        None | Some("") => path.to_owned(),
        Some(sub) if path.is_empty() => sub.to_owned(),
        Some(sub) => format!("{sub}/{path}"),
    };
    let is_variable = mount.is_some_and(|mount| mount.sub_path_expr.is_some());
    let content = match (volumes.get(name), injected) {
        (Some(volume), _) => content(volume, &path, is_variable),
        // The volume that the injector will add.
        (None, Some(injected)) if injected.volume == name && is_variable => TokenContent::SomeToken,
        (None, Some(injected))
            if injected.volume == name
                && injected.file == clean_relative(path.strip_prefix("..data/").unwrap_or(&path)) =>
        {
            TokenContent::Token(injected.audience)
        }
        (None, Some(injected)) if injected.volume == name => TokenContent::NoSuchFile,
        (None, _) => TokenContent::Opaque,
    };
    TokenSource { volume: Some(name), content }
}

fn content<'a>(volume: &'a Volume<'a>, path: &str, is_variable: bool) -> TokenContent<'a> {
    let Some(projected) = &volume.projected else {
        return TokenContent::Opaque;
    };
    let mut tokens = projected.sources.iter().map(|source| source.service_account_token.as_ref());
    if is_variable {
        return if tokens.all(|token| token.is_some()) { TokenContent::SomeToken } else { TokenContent::Opaque };
    }
    // The kubelet cleans paths, and `..data` leads to what the volume holds now (`pkg/volume/util/atomic_writer.go`).
    let path = path.strip_prefix("..data/").unwrap_or(path);
    let path = clean_relative(path);
    let at_path = |token: &&ServiceAccountToken<'_>| clean_relative(token.path.as_str()) == path;
    match tokens.clone().flatten().find(at_path) {
        Some(token) => TokenContent::Token(token.audience.as_ref().map(Text::as_str).unwrap_or_default()),
        None if tokens.all(|token| token.is_some()) => TokenContent::NoSuchFile,
        None => TokenContent::Opaque,
    }
}

/// A path without doubled slashes, `.` and `..`; `/run` by its older name, to which most images link it; and a Windows
/// path as a mount writes it.
pub fn clean(path: &str) -> String {
    let windows = is_windows_path(path).then(|| path.get(2..).unwrap_or_default().replace('\\', "/"));
    let path = windows.as_deref().unwrap_or(path);
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let parts = parts.join("/");
    if parts.starts_with("run/") { format!("/var/{parts}") } else { format!("/{parts}") }
}

/// A path below a volume without doubled slashes and `.`.
fn clean_relative(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

/// Whether a path names a drive, such as `C:\var\run`.
pub fn is_windows_path(path: &str) -> bool {
    matches!(path.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}
