//! What can be wrong with one container.

use super::container::{One, Scene};
use crate::chain::fix;
use crate::cluster::Presence;
use crate::finding::{
    CannotAssume, Cause, Certainty, CredentialsCause, CredentialsValue, EvidenceValue, InjectionCause, InjectionValue,
    Label, NotInjected, Platform, Preset, Problem, Remark, RoleValue,
};
use crate::fix::{Advice, Change, Fix, TemplateChange};
use crate::identity::{self, Mechanism, OptOut, is_pod_identity_token};
use crate::rules;
use crate::workload::Stage;
use crate::world::{AssociationReading, Plan};

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
            CredentialsCause::OwnRole { account: self.scene.subject.into() },
            Fix::from(TemplateChange::RemoveWebIdentity).or(fix::annotate(
                self.scene.subject,
                self.scene.world.conventions.role_arn_key(),
                role,
            )),
        )
        .expected(Label::ServiceAccountRole, self.plan().role_arn.as_deref().unwrap_or_default())
        .found(Label::RoleVariable, role)
    }

    pub(super) fn shadowed(&self, role: &str) -> Problem {
        Problem::new(
            &rules::ASSOCIATION_SHADOWED,
            CredentialsCause::AssociationNotUsed { account: self.scene.subject.into() },
            Fix::from(TemplateChange::RemoveWebIdentity).or(recreate(self.scene)),
        )
        .expected(Label::AssociationGives, planned_role(self.plan()))
        .found(Label::RoleVariable, role)
    }

    pub(super) fn preset(&self, why: Preset, found: impl Into<EvidenceValue>) -> Problem {
        if self.ephemeral {
            return self.preset_in_ephemeral(why, found);
        }
        Problem::new(
            &rules::INJECTION_PRESET,
            self.scene.cannot_assume(CannotAssume::Preset(why)),
            TemplateChange::RemoveCredentials,
        )
        .expected(Label::Expected, InjectionValue::NoVariablesOrVolumes)
        .found(Label::ContainerHas, found)
    }

    /// The injector never changes an ephemeral container, so the role of the pod does not matter here.
    fn preset_in_ephemeral(&self, why: Preset, found: impl Into<EvidenceValue>) -> Problem {
        Problem::new(
            &rules::INJECTION_PRESET,
            InjectionCause::EphemeralPreset { container: self.name().into(), why },
            Advice::StartWithoutVariables,
        )
        .expected(Label::Expected, InjectionValue::NoVariablesOrToken)
        .found(Label::ContainerHas, found)
    }

    pub(super) fn unsupported(&self, platform: Platform) -> Problem {
        let scene = self.scene;
        let annotated = scene.known.present().and_then(|account| account.role_arn.as_deref());
        Problem::new(
            &rules::POD_IDENTITY_UNSUPPORTED,
            CredentialsCause::Unsupported { account: scene.subject.into(), platform: platform.clone() },
            match annotated {
                Some(_) => Fix::from(delete_association(scene)),
                None => Fix::from(delete_association(scene)).then(fix::annotate(
                    scene.subject,
                    scene.world.conventions.role_arn_key(),
                    "ROLE_ARN",
                )),
            },
        )
        .expected(Label::AgentRunsOn, CredentialsValue::LinuxOnEc2)
        .found(Label::PodRunsOn, CredentialsValue::Platform(platform))
    }

    pub(super) fn proxied(&self, exceptions: &str) -> Problem {
        let with = if exceptions.is_empty() { String::new() } else { format!("{exceptions},") };
        Problem::new(
            &rules::PROXY_INTERCEPTS,
            CredentialsCause::ThroughProxy { account: self.scene.subject.into() },
            TemplateChange::SetVariable {
                name: "NO_PROXY",
                value: format!("{with}169.254.170.23,[fd00:ec2::23]").into(),
            },
        )
        .expected(Label::NoProxyMustContain, "169.254.170.23")
        .found(Label::ItContains, if exceptions.is_empty() { EvidenceValue::Nothing } else { exceptions.into() })
    }

    pub(super) fn no_association(&self) -> Problem {
        let scene = self.scene;
        Problem::new(
            &rules::ASSOCIATION_MISSING,
            CredentialsCause::NoAssociation { account: scene.subject.into() },
            fix::create_association(&scene.world.snapshot, scene.subject),
        )
        .at_most(if self.shows_association() { Certainty::Likely } else { Certainty::Certain })
        .expected(Label::Expected, CredentialsValue::AssociationFor(scene.subject.into()))
        .found(Label::ClusterHas, CredentialsValue::NoAssociation)
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
        let has_set =
            self.env.authorization_token_file.and_then(identity::Value::literal).is_some_and(is_pod_identity_token)
                && self.scene.volumes.get(Mechanism::PodIdentity.volume()).is_some();
        has_label || (reading.is_older() && has_set)
    }

    pub(super) fn preset_variable(&self, mechanism: Mechanism) -> InjectionValue {
        let (present, absent) = match mechanism {
            Mechanism::Irsa if self.env.role_arn.is_some() => ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
            Mechanism::Irsa => ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
            Mechanism::PodIdentity => ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        };
        InjectionValue::Without { present, absent }
    }

    pub(super) fn skipped(&self) -> Problem {
        let key = self.scene.world.conventions.skip_containers_key();
        let said = self.scene.workload.pod_metadata.annotations.get(key).unwrap_or_default();
        Problem::new(
            &rules::INJECTION_SKIPPED,
            InjectionCause::Skipped { role: self.scene.role(), key: key.into() },
            TemplateChange::InjectContainers { key: key.into(), container: Some(self.name().into()) },
        )
        .expected(
            Label::InjectorWouldAdd,
            self.scene.role_name().map_or(EvidenceValue::Role(RoleValue::Its), EvidenceValue::from),
        )
        .found(Label::PodHas, EvidenceValue::Entry { key: key.into(), value: said.into() })
    }

    pub(super) fn not_injected(&self) -> Problem {
        let scene = self.scene;
        let again = |is_registered| Fix::from(recreate(scene)).then(Change::CheckInjector { is_registered });
        let (why, mut fix) = match (scene.workload.stage, scene.world.injector) {
            (Stage::Predicted, _) => (NotInjected::WillNotAct, again(false)),
            (Stage::Admitted, Presence::Unknown) => (NotInjected::DidNotAct, again(false)),
            (Stage::Admitted, Presence::Present(())) => (NotInjected::DidNotActThoughRegistered, again(true)),
            (Stage::Admitted, Presence::Absent) => (
                NotInjected::NotRegistered,
                Fix::from(Change::RegisterInjector { configuration: None }).then(recreate(scene)),
            ),
        };
        // The injector did see the pod: another webhook added the container after that.
        let is_injected = |mechanism: Mechanism| scene.volumes.get(mechanism.volume()).is_some();
        if scene.workload.stage == Stage::Admitted && scene.plan.mechanism.is_some_and(is_injected) {
            fix = Fix::from(Change::ReinvokeInjector).then(recreate(scene));
        }
        let conventions = &scene.world.conventions;
        let cause = scene.cannot_assume(CannotAssume::NotInjected(why));
        let problem = Problem::new(&rules::INJECTION_MISSING, cause, fix)
            .expected(Label::InjectorAdds, InjectionValue::Variables(scene.plan.mechanism.unwrap_or(Mechanism::Irsa)));
        if self.opted_out == Some(OptOut::Pod) {
            // A person's own annotation, if perhaps a copied one.
            let label = conventions.skip_label_key();
            let mut problem = problem
                .at_most(Certainty::Likely)
                .found(Label::PodHas, InjectionValue::NoneOfThemAndLabel { key: label.into() });
            problem.fix = TemplateChange::RemoveLabel { key: label.into() }.into();
            return problem;
        }
        let problem = problem.found(Label::PodHas, InjectionValue::NoneOfThem);
        if let Some(required) = &scene.required {
            // It was late: the pod has no credentials all the same, and its controller creates it again.
            return problem.hint(Some(Remark::MustHaveIdentity(required.by.clone())));
        }
        // The injector is registered and added nothing: either it failed, or the association was deleted after it was read.
        let may_be_deleted = scene.plan.uses_association()
            && scene.workload.stage == Stage::Admitted
            && scene.world.injector.is_present()
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

impl Scene<'_, '_> {
    fn cannot_assume(&self, why: CannotAssume) -> Cause {
        Cause::CannotAssume { account: self.subject.into(), role: self.role(), why }
    }
}

/// The role that is meant.
pub(super) fn planned_role(plan: &Plan) -> EvidenceValue {
    plan.role_arn.as_deref().map_or(EvidenceValue::Role(RoleValue::NotInSnapshot), EvidenceValue::from)
}

/// Deletes the association of the pod's service account.
pub(super) fn delete_association(scene: &Scene<'_, '_>) -> Change {
    fix::delete_association(&scene.world.snapshot, scene.subject, scene.world.association(scene.subject))
}
