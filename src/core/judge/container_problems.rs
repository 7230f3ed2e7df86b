//! What can be wrong with one container.

use super::container::{One, Scene};
use crate::chain::fix;
use crate::cluster::Presence;
use crate::finding::{Certainty, Hint, Problem};
use crate::fix::{Change, Fix, TemplateChange};
use crate::identity::{Mechanism, OptOut, Value, is_pod_identity_token};
use crate::rules;
use crate::workload::Stage;
use crate::world::AssociationReading;

/// Seconds within which an association may not have reached the injector yet (Amazon EKS User Guide, "EKS Pod Identity
/// considerations": eventually consistent, several seconds).
pub(super) const PROPAGATION_SECONDS: i64 = 60;

/// Has the pod created again, for which a command has no name: it was not created yet.
fn recreate(scene: &Scene<'_, '_>) -> Change {
    Change::Recreate { kind: "Pod".into(), namespace: scene.workload.namespace.into(), name: None }
}

impl One<'_, '_, '_> {
    pub(super) fn overridden(&self, role: &str) -> Problem {
        Problem::new(
            &rules::ROLE_OVERRIDDEN,
            format!("the container sets its own role, not that of service account {}", self.scene.subject),
            Fix::from(TemplateChange::RemoveWebIdentity).or(fix::annotate(
                self.scene.subject,
                self.scene.world.conventions.role_arn_key(),
                role,
            )),
        )
        .expected("the service account's role is", self.plan().role_arn.as_deref().unwrap_or_default())
        .found("AWS_ROLE_ARN is", role)
    }

    pub(super) fn shadowed(&self, role: &str) -> Problem {
        Problem::new(
            &rules::ASSOCIATION_SHADOWED,
            format!("the Pod Identity association of service account {} is not used: SDKs read the web identity variables first", self.scene.subject),
            Fix::from(TemplateChange::RemoveWebIdentity).or(recreate(self.scene)),
        )
        .expected("the association gives", self.plan().role_arn.as_deref().unwrap_or("a role that is not in the snapshot"))
        .found("AWS_ROLE_ARN is", role)
    }

    pub(super) fn preset(&self, why: &str, found: &str) -> Problem {
        if self.ephemeral {
            return self.preset_in_ephemeral(why, found);
        }
        Problem::new(
            &rules::INJECTION_PRESET,
            format!("service account {} cannot assume {}: {why}", self.scene.subject, self.scene.role_phrase()),
            TemplateChange::RemoveCredentials,
        )
        .expected("expected", "no AWS_* credentials variables or volumes in the pod template")
        .found("the container has", found)
    }

    /// The injector never changes an ephemeral container, so the role of the pod does not matter here.
    fn preset_in_ephemeral(&self, why: &str, found: &str) -> Problem {
        Problem::new(
            &rules::INJECTION_PRESET,
            format!("ephemeral container {} gets no credentials with its own variables: {why}", self.name()),
            "start the ephemeral container without AWS_* credentials variables, or mount the token's volume in it",
        )
        .expected("expected", "no AWS_* credentials variables, or a token where they point")
        .found("the container has", found)
    }

    pub(super) fn unsupported(&self, platform: &str) -> Problem {
        let scene = self.scene;
        let annotated = scene.known.account().and_then(|account| account.role_arn.as_deref());
        Problem::new(
            &rules::POD_IDENTITY_UNSUPPORTED,
            format!("service account {} cannot use its Pod Identity association on {platform}: the Pod Identity agent does not run there", scene.subject),
            match annotated {
                Some(_) => Fix::from(delete_association(scene)),
                None => Fix::from(delete_association(scene)).then(fix::annotate(
                    scene.subject,
                    scene.world.conventions.role_arn_key(),
                    "ROLE_ARN",
                )),
            },
        )
        .expected("Pod Identity needs", "Linux on EC2")
        .found("the pod runs on", platform)
    }

    pub(super) fn proxied(&self, exceptions: &str) -> Problem {
        let with = if exceptions.is_empty() { String::new() } else { format!("{exceptions},") };
        Problem::new(
            &rules::PROXY_INTERCEPTS,
            format!(
                "pods of service account {} will send calls to the Pod Identity agent through the proxy",
                self.scene.subject
            ),
            TemplateChange::SetVariable {
                name: "NO_PROXY",
                value: format!("{with}169.254.170.23,[fd00:ec2::23]").into(),
            },
        )
        .expected("NO_PROXY must contain", "169.254.170.23")
        .found("it contains", if exceptions.is_empty() { "nothing" } else { exceptions })
    }

    pub(super) fn no_association(&self) -> Problem {
        let scene = self.scene;
        Problem::new(
            &rules::ASSOCIATION_MISSING,
            format!("pods of service account {} get no credentials: they have the Pod Identity variables, but the cluster has no association", scene.subject),
            fix::create_association(&scene.world.snapshot, scene.subject),
        )
        .at_most(if self.shows_association() { Certainty::Likely } else { Certainty::Certain })
        .expected("expected", format!("an association for {}", scene.subject))
        .found("the cluster has", "none for it")
    }

    /// The pod carries what the injector adds for an association, which may be newer than what was read. Label and variables
    /// can be copied, so they only soften.
    fn shows_association(&self) -> bool {
        let workload = self.scene.workload;
        let reading = self.scene.world.association_reading;
        if workload.stage != Stage::Admitted || reading == AssociationReading::After {
            return false;
        }
        let has_label = workload.pod_metadata.labels.get("eks.amazonaws.com/pod-identity") == Some("enabled");
        // Older injectors set no label.
        let has_set = self.env.authorization_token_file.and_then(Value::literal).is_some_and(is_pod_identity_token)
            && self.scene.volumes.get(Mechanism::PodIdentity.volume()).is_some();
        has_label || (reading.is_older() && has_set)
    }

    pub(super) fn preset_variable(&self, mechanism: Mechanism) -> &'static str {
        match mechanism {
            Mechanism::Irsa if self.env.role_arn.is_some() => "AWS_ROLE_ARN without AWS_WEB_IDENTITY_TOKEN_FILE",
            Mechanism::Irsa => "AWS_WEB_IDENTITY_TOKEN_FILE without AWS_ROLE_ARN",
            Mechanism::PodIdentity => {
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE without AWS_CONTAINER_CREDENTIALS_FULL_URI"
            }
        }
    }

    pub(super) fn skipped(&self) -> Problem {
        let key = self.scene.world.conventions.skip_containers_key();
        let said = self.scene.workload.pod_metadata.annotations.get(key).unwrap_or_default();
        Problem::new(
            &rules::INJECTION_SKIPPED,
            format!("the container does not get {}: the annotation {key} names it", self.scene.role_phrase()),
            TemplateChange::InjectContainers { key: key.into(), container: Some(self.name().into()) },
        )
        .expected("the injector would add", self.scene.role_name())
        .found("the pod has", format!("{key}: {said}"))
    }

    pub(super) fn not_injected(&self) -> Problem {
        let scene = self.scene;
        let again = |is_registered| Fix::from(recreate(scene)).then(Change::CheckInjector { is_registered });
        let (acts, fix) = match (scene.workload.stage, scene.world.injector) {
            (Stage::Predicted, _) => ("the injector will not act on its pods", again(false)),
            (Stage::Admitted, Presence::Unknown) => ("the injector did not act on this pod", again(false)),
            (Stage::Admitted, Presence::Present) => {
                ("the injector is registered but did not act on this pod", again(true))
            }
            (Stage::Admitted, Presence::Absent) => (
                "the injector's webhook is not registered in this cluster",
                Fix::from(Change::RegisterInjector { configuration: None }).then(recreate(scene)),
            ),
        };
        let conventions = &scene.world.conventions;
        let problem = Problem::new(
            &rules::INJECTION_MISSING,
            format!("service account {} cannot assume {}: {acts}", scene.subject, scene.role_phrase()),
            fix,
        )
        .expected(
            "the injector adds",
            match scene.plan.mechanism {
                Some(Mechanism::PodIdentity) => "AWS_CONTAINER_CREDENTIALS_FULL_URI and its token file",
                _ => "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE",
            },
        );
        if self.opted_out == Some(OptOut::Pod) {
            // A person's own annotation, if perhaps a copied one.
            let label = conventions.skip_label_key();
            let mut problem =
                problem.at_most(Certainty::Likely).found("the pod has", format!("none of them, and the label {label}"));
            problem.fix = TemplateChange::RemoveLabel { key: label.into() }.into();
            return problem;
        }
        let problem = problem.found("the pod has", "none of them");
        if let Some(required) = &scene.required {
            // It was late: the pod has no credentials all the same, and its controller creates it again.
            return problem.hint(Some(Hint::note(format!("{}: the pod must not start without it", required.said))));
        }
        // The injector is registered and added nothing: either it failed, or the association was deleted after it was read.
        let may_be_deleted = scene.plan.mechanism == Some(Mechanism::PodIdentity)
            && scene.workload.stage == Stage::Admitted
            && scene.world.injector == Presence::Present
            && scene.world.association_reading == AssociationReading::Before;
        if may_be_deleted || self.is_young() { problem.at_most(Certainty::Likely) } else { problem }
    }

    /// The association is so new that the injector may not know it.
    pub(super) fn is_young(&self) -> bool {
        let created = self.scene.world.association(self.scene.subject).and_then(|association| association.created_at);
        match (created, self.scene.circumstances.now) {
            (Some(created), Some(now)) => now.duration_since(created).as_secs() < PROPAGATION_SECONDS,
            _ => false,
        }
    }
}

/// Deletes the association of the pod's service account.
pub(super) fn delete_association(scene: &Scene<'_, '_>) -> Change {
    fix::delete_association(&scene.world.snapshot, scene.subject, scene.world.association(scene.subject))
}
