//! Flux: object-level workload identity.

use super::{Alternative, AudienceAt, Base, NO_ROLE, NamespaceAt, RoleAt, Test, WhoAt, on};

const WITH_KEYS: Alternative = on(&[Test::Is("provider", "aws"), Test::Present("secretRef")], WhoAt::Keys, &[]);
const OF_CONTROLLER: Alternative = on(&[Test::Is("provider", "aws")], NO_ROLE, &[]);

/// `unless_version`: see [`WhoAt::Account`].
const fn with_account(unless_version: &'static [&'static str]) -> Alternative {
    let who = WhoAt::Account {
        name: "serviceAccountName",
        namespace: NamespaceAt::Object,
        role: RoleAt::Annotation,
        audience: AudienceAt::Sts,
        unless_version,
    };
    on(&[Test::Is("provider", "aws"), Test::Present("serviceAccountName")], who, &[])
}

pub(super) const BUCKET: &[Base] =
    &[Base { at: "spec", alternatives: &[with_account(&["v1beta1", "v1beta2"]), WITH_KEYS, OF_CONTROLLER] }];

pub(super) const IMAGE_REPOSITORY: &[Base] = BUCKET;

pub(super) const GIT_REPOSITORY: &[Base] =
    &[Base { at: "spec", alternatives: &[with_account(&["v1beta2"]), WITH_KEYS, OF_CONTROLLER] }];

/// The keys of `secretRef` come first, and so do the image pull secrets of the service account, which are not read: in no version
/// is it certain that its identity is used (`ocirepository_controller.go`).
pub(super) const OCI_REPOSITORY: &[Base] =
    &[Base { at: "spec", alternatives: &[WITH_KEYS, with_account(&["v1", "v1beta1", "v1beta2"]), OF_CONTROLLER] }];
