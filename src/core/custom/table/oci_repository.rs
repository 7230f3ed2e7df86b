//! Flux's OCIRepository, which takes image pull secrets before an identity.

use super::{AudienceAt, Base, NO_ROLE, NamespaceAt, RoleAt, Test, WhoAt, on};

/// The keys of `secretRef` come first, and so do the image pull secrets of the service account, which are not read: in no version
/// is it certain that its identity is used (`ocirepository_controller.go`).
pub(super) const OCI_REPOSITORY: &[Base] = &[Base {
    at: "spec",
    alternatives: &[
        on(&[Test::Is("provider", "aws"), Test::Present("secretRef")], WhoAt::Keys, &[]),
        on(
            &[Test::Is("provider", "aws"), Test::Present("serviceAccountName")],
            WhoAt::Account {
                name: "serviceAccountName",
                namespace: NamespaceAt::Object,
                role: RoleAt::Annotation,
                audience: AudienceAt::Sts,
                unless_version: &["v1", "v1beta1", "v1beta2"],
            },
            &[],
        ),
        on(&[Test::Is("provider", "aws")], NO_ROLE, &[]),
    ],
}];
