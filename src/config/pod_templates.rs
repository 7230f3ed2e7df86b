//! `podTemplates`: custom resources that describe pods.

use rolecall_core::custom::{PodForm, PodSource};
use serde::Deserialize;

use crate::sources::aws::InvalidField;

/// Where objects of a kind describe pods. One of the three paths is set: names of fields with `.` between them, `[]` behind a list
/// and `{}` behind a mapping whose values count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodTemplateConfig {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The path of a template of pods: metadata and specification.
    pub template: Option<String>,
    /// The path of a specification of pods.
    pub spec: Option<String>,
    /// The path of the name of a service account; the controller adds the rest of the pods.
    pub service_account: Option<String>,
}

impl PodTemplateConfig {
    pub(super) fn check(&self) -> Result<(), InvalidField> {
        let paths: Vec<&String> = [&self.template, &self.spec, &self.service_account].into_iter().flatten().collect();
        let fits = |path: &str| path.split('.').all(|name| !name.trim_end_matches(['[', ']', '{', '}']).is_empty());
        let is_named = !self.group.is_empty() && !self.kind.is_empty();
        match paths.as_slice() {
            [path] if is_named && fits(path) => Ok(()),
            _ => {
                let problem = "each entry must set group, kind, and one path: template, spec or serviceAccount";
                Err(InvalidField::new("podTemplates", problem))
            }
        }
    }

    /// The row of the table. It lasts as long as the program: a configuration is read once.
    pub(super) fn source(&self) -> &'static PodSource {
        let kept = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let place: (&'static str, PodForm) = match self {
            Self { template: Some(path), .. } => (kept(path), PodForm::Template),
            Self { spec: Some(path), .. } => (kept(path), PodForm::Spec),
            Self { service_account, .. } => {
                let path = service_account.as_deref().unwrap_or_default();
                let (parent, field) = path.rsplit_once('.').unwrap_or(("", path));
                (kept(parent), PodForm::Account(kept(field)))
            }
        };
        let (group, kind) = (kept(&self.group), kept(&self.kind));
        Box::leak(Box::new(PodSource { group, kind, places: Box::leak(Box::new([place])), source: "" }))
    }
}
