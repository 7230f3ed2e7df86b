//! Custom resources that have their controller call AWS with the controller's own identity.

use serde_json::Value;

use super::read::Reading;
use super::table::{Controller, CustomKind};
use crate::workload::Served;

/// What an object has its controller do with the controller's own identity, if anything.
pub fn served_by_controller(api_version: &str, kind: &str, object: &Value) -> Option<Served> {
    if api_version.starts_with("keda.sh/") && matches!(kind, "ScaledObject" | "ScaledJob") {
        return scales_as_operator(object).then_some(Served::KedaTriggers);
    }
    let known = super::find(api_version, kind)?;
    known.served(&known.read(object))
}

impl CustomKind {
    /// What an object of this kind has its controller do with the controller's own identity, if anything.
    pub fn served(&self, reading: &Reading<'_>) -> Option<Served> {
        if !reading.uses_controller() {
            return None;
        }
        match (self.controller, self.kind) {
            (Controller::CertManager, _) => Some(Served::Route53Issuers),
            (Controller::ExternalSecrets, _) => Some(Served::SecretStores),
            (Controller::Flux, "Bucket" | "OCIRepository" | "GitRepository") => Some(Served::FluxSources),
            (Controller::Flux, "ImageRepository") => Some(Served::FluxImages),
            (Controller::Keda, _) => Some(Served::KedaTriggers),
            // Their providers need a role whatever their resources say, or name one in a ConfigMap.
            (Controller::Flux | Controller::Ack | Controller::Crossplane, _) => None,
        }
    }
}

/// Whether a trigger of AWS is read with the operator's identity (KEDA, "AWS SQS Queue trigger": `identityOwner`, which is `pod` by default).
fn scales_as_operator(object: &Value) -> bool {
    let triggers = object.pointer("/spec/triggers").and_then(Value::as_array).into_iter().flatten();
    triggers.take(MAX_TRIGGERS).any(|trigger| {
        let text = |at: &str| trigger.pointer(at).and_then(Value::as_str).unwrap_or_default();
        text("/type").starts_with("aws-") && text("/metadata/identityOwner") == "operator"
    })
}

/// Triggers of one object that are read.
const MAX_TRIGGERS: usize = 256;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_that_use_the_identity_of_their_controller() {
        let solver = |route53: Value| json!({"spec": {"acme": {"solvers": [{"dns01": {"route53": route53}}]}}});
        let store = |aws: Value| json!({"spec": {"provider": {"aws": aws}}});
        let trigger = |owner: &str| json!({"spec": {"triggers": [{"type": "aws-cloudwatch", "metadata": {"identityOwner": owner}}]}});
        let account = json!({"name": "dns"});
        for (api_version, kind, object, expected) in [
            ("cert-manager.io/v1", "Issuer", solver(json!({"region": "eu-west-1"})), Some(Served::Route53Issuers)),
            (
                "cert-manager.io/v1",
                "Issuer",
                solver(json!({"auth": {"kubernetes": {"serviceAccountRef": account}}})),
                None,
            ),
            (
                "cert-manager.io/v1",
                "ClusterIssuer",
                solver(json!({"accessKeyID": "id", "secretAccessKeySecretRef": {"name": "keys", "key": "secret"}})),
                None,
            ),
            (
                "external-secrets.io/v1",
                "SecretStore",
                store(json!({"service": "ParameterStore"})),
                Some(Served::SecretStores),
            ),
            (
                "external-secrets.io/v1",
                "SecretStore",
                store(json!({"service": "ParameterStore", "auth": {"jwt": {"serviceAccountRef": {"name": "app"}}}})),
                None,
            ),
            ("source.toolkit.fluxcd.io/v1", "Bucket", json!({"spec": {"provider": "aws"}}), Some(Served::FluxSources)),
            ("source.toolkit.fluxcd.io/v1", "Bucket", json!({"spec": {"provider": "generic"}}), None),
            (
                "image.toolkit.fluxcd.io/v1",
                "ImageRepository",
                json!({"spec": {"provider": "aws"}}),
                Some(Served::FluxImages),
            ),
            ("keda.sh/v1alpha1", "ScaledJob", trigger("operator"), Some(Served::KedaTriggers)),
            ("keda.sh/v1alpha1", "ScaledObject", trigger("pod"), None),
            (
                "keda.sh/v1alpha1",
                "TriggerAuthentication",
                json!({"spec": {"podIdentity": {"provider": "aws"}}}),
                Some(Served::KedaTriggers),
            ),
            (
                "keda.sh/v1alpha1",
                "TriggerAuthentication",
                json!({"spec": {"podIdentity": {"provider": "aws", "identityOwner": "workload"}}}),
                None,
            ),
        ] {
            assert_eq!(served_by_controller(api_version, kind, &object), expected, "{kind}: {object}");
        }
    }
}
