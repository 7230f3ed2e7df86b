//! Which files are read: of a folder every manifest below, but nothing that must be rendered first.

use std::path::{Path, PathBuf};

use anyhow::Context;

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

/// The files below some paths, and the folders that were passed over.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) files: Vec<PathBuf>,
    pub(super) unrendered: Vec<Unrendered>,
}

impl Files {
    /// A file that is named is read whatever it is; in a folder only manifests are.
    pub(super) fn collect(&mut self, path: &Path) -> anyhow::Result<()> {
        let display = path.display();
        let metadata = std::fs::metadata(path).with_context(|| format!("{display}: cannot be read"))?;
        if !metadata.is_dir() {
            self.files.push(path.to_owned());
            return Ok(());
        }
        if let Some(command) = renderer(path) {
            self.unrendered.push(Unrendered { folder: path.to_owned(), command });
            return Ok(());
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("{display}: cannot be read"))?;
        let mut below = Vec::new();
        for entry in entries {
            below.push(entry.with_context(|| format!("{display}: cannot be read"))?.path());
        }
        below.sort();
        for path in below {
            let hidden = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with('.'));
            let manifest = path
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json");
            // Links to folders could lead in a circle.
            let folder = path.is_dir() && !path.is_symlink();
            if !hidden && (folder || (manifest && !path.is_dir())) {
                self.collect(&path)?;
            }
        }
        Ok(())
    }
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
