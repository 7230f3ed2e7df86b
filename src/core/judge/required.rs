//! Workloads whose owner says that they must have an identity: `rolecall.dev/identity: required`, or the configuration.

use super::exemptions::{AllOwnAnnotations, Holder};
use crate::chain::{Subject, fix};
use crate::fix::{Annotated, Change};
use crate::workload::Workload;
use crate::world::World;

/// The annotation.
const KEY: &str = "rolecall.dev/identity";

/// That pods must have an identity, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// For instance `rolecall.dev/identity: required is set on namespace carts`.
    pub(super) said: String,
    /// What takes it back.
    pub(super) lift: Change,
}

/// The requirement for a workload's pods. The nearest annotation counts, and the configuration where there is none.
pub(super) fn requirement(
    annotations: &AllOwnAnnotations<'_>,
    world: &World,
    workload: &Workload<'_>,
    subject: Subject<'_>,
) -> Option<Requirement> {
    if let Some(holder) = annotations.identity_required {
        let lift = match holder {
            Holder::Object(_) | Holder::Template(_) => {
                Change::manual(format!("remove the annotation {KEY} from {}", holder.text()))
            }
            Holder::Account(subject) => fix::remove_annotation(subject, KEY),
            Holder::Namespace(name) => Change::Annotate {
                object: Annotated::Namespace(name.into()),
                set: Vec::new(),
                remove: vec![KEY.into()],
            },
        };
        return Some(Requirement { said: format!("{KEY}: required is set on {}", holder.text()), lift });
    }
    let selectors = &world.conventions.require_identity;
    let labels = &workload.pod_metadata.labels;
    let is_selected =
        selectors.iter().any(|selector| selector.selects(subject.namespace, subject.service_account, labels));
    is_selected.then(|| Requirement {
        said: "requireIdentity in the configuration of rolecall selects its pods".to_owned(),
        lift: Change::manual("change requireIdentity in the configuration of rolecall"),
    })
}
