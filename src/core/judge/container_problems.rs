//! What can be wrong with one container, in words.

use super::container::{One, Scene};
use crate::chain::fix;
use crate::cluster::Presence;
use crate::finding::{Certainty, Hint, Problem};
use crate::identity::{Mechanism, OptOut, Value, is_pod_identity_token};
use crate::rules;
use crate::workload::Stage;
use crate::world::AssociationReading;

/// Seconds within which an association may not have reached the injector yet (Amazon EKS User Guide, "EKS Pod Identity
/// considerations": eventually consistent, several seconds).
pub(super) const PROPAGATION_SECONDS: i64 = 60;

/// What fixes a pod that the injector did not act on.
const AGAIN: &str = "delete the pod; its controller re-creates it. If that does not help: kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml";

/// The same where the injector is known to be registered: it was late, down, or did not know the service account yet.
const RACED: &str = "delete the pod; its controller re-creates it: the injector did not know the service account's role yet, or did not answer. If that does not help: kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml";

/// The same where it is known to be gone.
pub(super) const REGISTER: &str = "register the injector again (kubectl get mutatingwebhookconfigurations; on EKS the control plane has pod-identity-webhook, elsewhere install amazon-eks-pod-identity-webhook), then re-create the pod";

impl One<'_, '_, '_> {
    pub(super) fn overridden(&self, role: &str) -> Problem {
        Problem::new(
            &rules::ROLE_OVERRIDDEN,
            format!("the container sets its own role, not that of service account {}", self.scene.subject),
            "remove AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE from the pod template, or annotate the service account with this role",
        )
        .expected("the service account's role is", self.plan().role_arn.as_deref().unwrap_or_default())
        .found("AWS_ROLE_ARN is", role)
    }

    pub(super) fn shadowed(&self, role: &str) -> Problem {
        Problem::new(
            &rules::ASSOCIATION_SHADOWED,
            format!("the Pod Identity association of service account {} is not used: SDKs read the web identity variables first", self.scene.subject),
            "remove AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE from the pod template; if the injector added them, re-create the pod",
        )
        .expected("the association gives", self.plan().role_arn.as_deref().unwrap_or("a role that is not in the snapshot"))
        .found("AWS_ROLE_ARN is", role)
    }

    pub(super) fn preset(&self, why: &str, found: &str) -> Problem {
        Problem::new(
            &rules::INJECTION_PRESET,
            format!("service account {} cannot assume {}: {why}", self.scene.subject, self.scene.role_phrase()),
            "remove the AWS_* credentials variables and volumes from the pod template: the injector adds the whole set",
        )
        .expected("expected", "no AWS_* credentials variables or volumes in the pod template")
        .found("the container has", found)
    }

    pub(super) fn unsupported(&self, platform: &str) -> Problem {
        let scene = self.scene;
        let annotated = scene.known.account().and_then(|account| account.role_arn.as_deref());
        Problem::new(
            &rules::POD_IDENTITY_UNSUPPORTED,
            format!("service account {} cannot use its Pod Identity association on {platform}: the Pod Identity agent does not run there", scene.subject),
            {
                let delete = delete_association(scene);
                match annotated {
                    Some(_) => format!("{delete}  # the annotation then applies"),
                    None => format!(
                        "{delete} && {}  # with a role that trusts the cluster's OIDC provider",
                        fix::annotate(scene.subject, scene.world.conventions.role_arn_key(), "ROLE_ARN")
                    ),
                }
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
            format!("set NO_PROXY={with}169.254.170.23,[fd00:ec2::23] in the pod template"),
        )
        .expected("NO_PROXY must contain", "169.254.170.23")
        .found("it contains", if exceptions.is_empty() { "nothing" } else { exceptions })
    }

    pub(super) fn no_association(&self) -> Problem {
        let scene = self.scene;
        Problem::new(
            &rules::ASSOCIATION_MISSING,
            format!("pods of service account {} get no credentials: they have the Pod Identity variables, but the cluster has no association", scene.subject),
            fix::create_association(&scene.world.snapshot, scene.subject, "ROLE_ARN"),
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
            format!("remove the container from {key} if it needs the role"),
        )
        .expected("the injector would add", self.scene.role_name())
        .found("the pod has", format!("{key}: {said}"))
    }

    pub(super) fn not_injected(&self) -> Problem {
        let scene = self.scene;
        let (acts, fix) = match (scene.workload.stage, scene.world.injector) {
            (Stage::Predicted, _) => ("the injector will not act on its pods", AGAIN),
            (Stage::Admitted, Presence::Unknown) => ("the injector did not act on this pod", AGAIN),
            (Stage::Admitted, Presence::Present) => ("the injector is registered but did not act on this pod", RACED),
            (Stage::Admitted, Presence::Absent) => {
                ("the injector's webhook is not registered in this cluster", REGISTER)
            }
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
            problem.fix = format!("remove the label {label} from the pod template");
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

/// The command that deletes the association of the pod's service account.
pub(super) fn delete_association(scene: &Scene<'_, '_>) -> String {
    fix::delete_association(&scene.world.snapshot, scene.world.association(scene.subject))
}
