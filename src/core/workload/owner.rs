//! What an object is created from: whoever changes the object alone sees the change reverted.

use super::Metadata;
use crate::text::Text;

/// What an object is created from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A file of the input.
    File {
        /// Its path.
        path: Text,
        /// The line where the object begins.
        line: usize,
    },
    /// A Helm release.
    Helm(Text),
    /// An application of Argo CD.
    ArgoCd(Text),
    /// A Kustomization of Flux.
    Kustomization(Text),
    /// A HelmRelease of Flux.
    HelmRelease(Text),
    /// An add-on of EKS.
    AddOn(Text),
    /// eksctl.
    Eksctl,
    /// A resource of a template of CloudFormation, by its place.
    CloudFormation(Text),
    /// A resource of Terraform, by its address.
    Terraform(Text),
}

/// What to put in the place of a name that the object does not tell.
const RELEASE: &str = "RELEASE";
const ADD_ON: &str = "ADDON_NAME";

impl Owner {
    /// The labels that tell; annotations tell as well.
    pub const LABELS: [&'static str; 6] = [
        "helm.toolkit.fluxcd.io/name",
        "argocd.argoproj.io/instance",
        "kustomize.toolkit.fluxcd.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/name",
        "app.kubernetes.io/managed-by",
    ];

    /// As labels and annotations tell. What applies an object may use Helm to write it, so that it comes first (Argo CD,
    /// "Resource Tracking"; Flux, "Kustomization" and "HelmRelease"; Helm, "Labels and Annotations").
    pub fn of(metadata: &Metadata<'_>) -> Option<Self> {
        let label = |key: &str| metadata.labels.get(key).filter(|value| !value.is_empty());
        let annotation = |key: &str| metadata.annotations.get(key).filter(|value| !value.is_empty());
        if let Some(name) = label("helm.toolkit.fluxcd.io/name") {
            return Some(Self::HelmRelease(name.into()));
        }
        // `APPLICATION:GROUP/KIND:NAMESPACE/NAME`
        let tracked = annotation("argocd.argoproj.io/tracking-id").and_then(|id| id.split(':').next());
        if let Some(application) = tracked.or_else(|| label("argocd.argoproj.io/instance")) {
            return Some(Self::ArgoCd(application.into()));
        }
        if let Some(name) = label("kustomize.toolkit.fluxcd.io/name") {
            return Some(Self::Kustomization(name.into()));
        }
        let instance = || label("app.kubernetes.io/instance");
        match label("app.kubernetes.io/managed-by") {
            Some("EKS") => Some(Self::AddOn(label("app.kubernetes.io/name").and_then(add_on).unwrap_or(ADD_ON).into())),
            Some("eksctl") => Some(Self::Eksctl),
            Some("Helm") => {
                let release = annotation("meta.helm.sh/release-name").or_else(instance);
                Some(Self::Helm(release.unwrap_or(RELEASE).into()))
            }
            _ => annotation("meta.helm.sh/release-name").map(|release| Self::Helm(release.into())),
        }
    }
}

/// The add-on of an application, as its objects name that (Amazon EKS User Guide, "AWS add-ons").
fn add_on(application: &str) -> Option<&str> {
    match application {
        "aws-node" | "vpc-cni" => Some("vpc-cni"),
        "aws-mountpoint-s3-csi-driver" | "s3-csi-driver" => Some("aws-mountpoint-s3-csi-driver"),
        name if name.starts_with("aws-") || name.starts_with("amazon-") || name == "adot" => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(json: &str) -> Option<Owner> {
        Owner::of(&serde_json::from_str::<Metadata<'_>>(json).unwrap())
    }

    #[test]
    fn what_applies_an_object_comes_before_what_wrote_it() {
        let cases = [
            (r#"{"labels": {"app.kubernetes.io/managed-by": "Helm"}}"#, Owner::Helm("RELEASE".into())),
            (r#"{"annotations": {"meta.helm.sh/release-name": "shop"}}"#, Owner::Helm("shop".into())),
            (
                r#"{"labels": {"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "shop"}}"#,
                Owner::ArgoCd("shop".into()),
            ),
            (
                r#"{"annotations": {"argocd.argoproj.io/tracking-id": "shop:/ServiceAccount:carts/carts"}}"#,
                Owner::ArgoCd("shop".into()),
            ),
            (
                r#"{"labels": {"helm.toolkit.fluxcd.io/name": "shop", "app.kubernetes.io/managed-by": "Helm"}}"#,
                Owner::HelmRelease("shop".into()),
            ),
            (r#"{"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}"#, Owner::Kustomization("apps".into())),
            (
                r#"{"labels": {"app.kubernetes.io/managed-by": "EKS", "app.kubernetes.io/name": "aws-ebs-csi-driver"}}"#,
                Owner::AddOn("aws-ebs-csi-driver".into()),
            ),
            (r#"{"labels": {"app.kubernetes.io/managed-by": "EKS"}}"#, Owner::AddOn("ADDON_NAME".into())),
            (r#"{"labels": {"app.kubernetes.io/managed-by": "eksctl"}}"#, Owner::Eksctl),
        ];
        for (json, expected) in cases {
            assert_eq!(owner(json), Some(expected), "{json}");
        }
        assert_eq!(owner(r#"{"labels": {"app.kubernetes.io/managed-by": "kustomize"}, "annotations": null}"#), None);
    }
}
