//! Which files are read: of a folder every manifest below that no `.gitignore` leaves out, but nothing that must be rendered
//! first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;

use super::documents::{self, Document};

/// A folder that is not read as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrendered {
    /// The folder.
    pub folder: PathBuf,
    /// What renders it.
    pub command: String,
}

impl std::fmt::Display for Unrendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: is not read, render it first: `{}`", self.folder.display(), self.command)
    }
}

/// Files and folders that are left out.
#[derive(Debug, Clone, Default)]
pub struct Excluded(Arc<GlobSet>);

impl Excluded {
    /// What these globs match: a name, or the end of a path. `*` and `?` match no `/`, `**` does.
    ///
    /// # Errors
    /// Where a glob is malformed.
    pub fn new(globs: &[String]) -> anyhow::Result<Self> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let plain = glob.strip_prefix("./").unwrap_or(glob).trim_end_matches('/');
            anyhow::ensure!(!plain.is_empty(), "--exclude `{}`: names nothing", glob.escape_debug());
            let mut add = |glob: &str| -> Result<(), globset::Error> {
                set.add(GlobBuilder::new(glob).literal_separator(true).build()?);
                Ok(())
            };
            add(plain)
                .and_then(|()| add(&format!("**/{plain}")))
                .map_err(|e| anyhow::anyhow!("--exclude `{}`: {}", glob.escape_debug(), e.kind()))?;
        }
        Ok(Self(Arc::new(set.build()?)))
    }

    fn has(&self, path: &Path) -> bool {
        !self.0.is_empty() && self.0.is_match(path.strip_prefix(".").unwrap_or(path))
    }
}

/// The files below some paths, and the folders that were passed over.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) files: Vec<PathBuf>,
    pub(super) unrendered: Vec<Unrendered>,
    /// Folders below which no manifest is, by name; with how many files are left out there.
    pub(super) empty: BTreeMap<PathBuf, usize>,
    /// Files and folders that cannot be opened, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

impl Files {
    /// A file that is named is read whatever it is, unless it is excluded; in a folder only manifests are.
    pub(super) fn collect(&mut self, path: &Path, excluded: &Excluded) -> anyhow::Result<()> {
        let display = path.display();
        let metadata = std::fs::metadata(path).with_context(|| format!("{display}: cannot be read"))?;
        if excluded.has(path) {
            return Ok(());
        }
        if !metadata.is_dir() {
            self.files.push(path.to_owned());
            return Ok(());
        }
        if let Some(command) = renderer(path) {
            self.unrendered.push(Unrendered { folder: path.to_owned(), command });
            return Ok(());
        }
        std::fs::read_dir(path).with_context(|| format!("{display}: cannot be read"))?;
        let mut found = below(path, excluded, Ignored::Everywhere);
        if found.files.is_empty() && found.unrendered.is_empty() {
            // A folder that is named is read, though a `.gitignore` above it leaves out all that it holds.
            found = below(path, excluded, Ignored::Below);
        }
        if found.files.is_empty() && found.unrendered.is_empty() {
            let all = below(path, &Excluded::default(), Ignored::Nowhere);
            self.empty.insert(path.to_owned(), all.files.len());
        }
        self.files.append(&mut found.files);
        self.unrendered.append(&mut found.unrendered);
        self.unreadable.append(&mut found.unreadable);
        Ok(())
    }
}

/// Whose `.gitignore` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ignored {
    /// That of the folder, of those below, and of those above.
    Everywhere,
    /// That of the folder and of those below.
    Below,
    /// None.
    Nowhere,
}

fn below(folder: &Path, excluded: &Excluded, ignored: Ignored) -> Files {
    let unrendered = Arc::new(Mutex::new(Vec::new()));
    let (found, excluded) = (Arc::clone(&unrendered), excluded.clone());
    let walk = WalkBuilder::new(folder)
        .hidden(true)
        .ignore(false)
        .git_global(false)
        .git_exclude(ignored == Ignored::Everywhere)
        .git_ignore(ignored != Ignored::Nowhere)
        .parents(ignored == Ignored::Everywhere)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| {
            let path = entry.path();
            if excluded.has(path) {
                return false;
            }
            if entry.file_type().is_some_and(|kind| kind.is_dir())
                && let Some(command) = renderer(path)
            {
                let unrendered = Unrendered { folder: path.to_owned(), command };
                found.lock().unwrap_or_else(PoisonError::into_inner).push(unrendered);
                return false;
            }
            true
        })
        .build();
    let mut files = Files::default();
    for entry in walk {
        match entry {
            Ok(entry) => {
                let path = entry.path();
                let is_manifest = path
                    .extension()
                    .is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json");
                // A link to a file is read; links to folders could lead in a circle.
                let is_folder = |kind: std::fs::FileType| kind.is_dir() || (kind.is_symlink() && path.is_dir());
                if is_manifest && entry.depth() > 0 && !entry.file_type().is_some_and(is_folder) {
                    files.files.push(entry.into_path());
                }
            }
            Err(error) => files.unreadable.push(fault(folder, &error)),
        }
    }
    files.unrendered = std::mem::take(&mut *unrendered.lock().unwrap_or_else(PoisonError::into_inner));
    files
}

/// Where a folder cannot be walked, and why.
fn fault(folder: &Path, error: &ignore::Error) -> (PathBuf, String) {
    match error {
        ignore::Error::WithPath { path, err } => (path.clone(), fault(folder, err).1),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => fault(folder, err),
        ignore::Error::Io(error) => (folder.to_owned(), cannot_be_read(error)),
        other => (folder.to_owned(), other.to_string()),
    }
}

/// Why a file cannot be read.
pub(super) fn cannot_be_read(error: &std::io::Error) -> String {
    format!("cannot be read: {error}")
}

/// How to render a folder that holds sources of manifests, not manifests.
fn renderer(folder: &Path) -> Option<String> {
    let holds = |names: &[&str]| names.iter().any(|name| folder.join(name).is_file());
    let display = folder.display();
    if holds(&["kustomization.yaml", "kustomization.yml", "Kustomization"]) {
        return Some(format!("kustomize build {display} | rolecall check -"));
    }
    holds(&["Chart.yaml"]).then(|| format!("helm template RELEASE {display} -n NS | rolecall check - -n NS"))
}

/// Reads files on as many threads as there are processors; the results are in the order of the files.
pub(super) fn read_all(files: &[PathBuf]) -> Vec<anyhow::Result<Vec<Document>>> {
    let read = |file: &PathBuf| {
        let bytes = std::fs::read(file).map_err(|error| anyhow::anyhow!("{}", cannot_be_read(&error)))?;
        Ok(documents::documents(&bytes))
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if threads == 1 || files.len() < 2 {
        return files.iter().map(read).collect();
    }
    let share = files.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let readers: Vec<_> = files
            .chunks(share)
            .map(|files| (files.len(), scope.spawn(move || files.iter().map(read).collect::<Vec<_>>())))
            .collect();
        let gather = |(count, reader): (usize, std::thread::ScopedJoinHandle<'_, Vec<_>>)| {
            reader.join().unwrap_or_else(|_| {
                std::iter::repeat_with(|| Err(anyhow::anyhow!("a reader of manifests panicked"))).take(count).collect()
            })
        };
        readers.into_iter().flat_map(gather).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_a_name_or_the_end_of_a_path() {
        let excluded = |glob: &str, path: &str| Excluded::new(&[glob.to_owned()]).unwrap().has(Path::new(path));
        for (glob, path) in [
            ("test", "k8s/test"),
            ("*.json", "k8s/deep/a.json"),
            ("k8s/*.yaml", "./k8s/a.yaml"),
            ("./k8s/a.yaml", "k8s/a.yaml"),
            ("deep/", "/tmp/k8s/deep"),
            ("k8s/**/a.yaml", "k8s/x/y/a.yaml"),
        ] {
            assert!(excluded(glob, path), "{glob} {path}");
        }
        for (glob, path) in [("test", "k8s/tests"), ("k8s/*.yaml", "k8s/deep/a.yaml"), ("a.yaml", "k8s/ba.yaml")] {
            assert!(!excluded(glob, path), "{glob} {path}");
        }
        assert!(Excluded::new(&["[".to_owned()]).is_err() && Excluded::new(&["/".to_owned()]).is_err());
    }
}
