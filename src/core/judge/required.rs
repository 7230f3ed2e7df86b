//! Workloads whose owner says that they must have an identity: `rolecall.dev/identity: required`, or the configuration.

use super::exemptions::{AllOwnAnnotations, Holder};
use crate::chain::{Subject, fix};
use crate::finding::RequiredBy;
use crate::fix::{Advice, Annotated, Change};
use crate::workload::Workload;
use crate::world::World;

/// The annotation.
const KEY: &str = "rolecall.dev/identity";

/// That pods must have an identity, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// Who says so.
    pub(super) by: RequiredBy,
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
            Holder::Object(_) | Holder::Template(_) | Holder::TaskDefinition => {
                Advice::RemoveIdentityAnnotation(holder.name()).into()
            }
            Holder::Account(subject) => fix::remove_annotation(subject, KEY),
            Holder::Namespace(name) => Change::Annotate {
                object: Annotated::Namespace(name.into()),
                set: Vec::new(),
                remove: vec![KEY.into()],
            },
        };
        return Some(Requirement { by: RequiredBy::Annotation(holder.name()), lift });
    }
    let selectors = &world.conventions.require_identity;
    let labels = &workload.pod_metadata.labels;
    let is_selected =
        selectors.iter().any(|selector| selector.selects(subject.namespace, subject.service_account, labels));
    is_selected.then(|| Requirement { by: RequiredBy::Configuration, lift: Advice::ChangeRequireIdentity.into() })
}
