//! Workloads whose service account a role names, while neither an annotation nor an association gives them that role.

use super::container::Scene;
use super::fallback::fallback_of;
use super::other_credentials::brings_other_credentials;
use super::{Gathering, JudgedContainer};
use crate::chain::{State, Subject, Unconnected, fix};
use crate::finding::{
    CredentialsCause, CredentialsValue, Hint, Label, MissingStep, NamingRoles, Problem, Remark, RolePart,
};
use crate::fix::{Change, Fix, List, Text};
use crate::identity::Identity;
use crate::level::Level;
use crate::rules;
use crate::workload::Container;

/// The roles that this workload's pods could have by one step.
pub(super) struct Roles<'p> {
    /// They could assume these.
    hold: Vec<&'p Unconnected>,
    /// Whether they could assume these is not known.
    open: Vec<&'p Unconnected>,
}

impl<'p> Roles<'p> {
    /// The roles that name the service account, where it is known that nothing connects them and the pods would be given one.
    pub(super) fn of(scene: &'p Scene<'_, '_>, without_role: &[&Container<'_>]) -> Self {
        let is_account_known = !scene.known.is_unknown() || scene.subject.service_account == "default";
        let is_injected = |container: &&Container<'_>| scene.opt_outs.of_container(container.name.as_str()).is_none();
        // A role that names the service account may be for its tokens.
        let Subject { namespace, service_account } = scene.subject;
        let is_of_controller = scene.world.objects().is_of_controller(namespace, service_account);
        if !is_account_known || is_of_controller || scene.opt_outs.pod() || !without_role.iter().any(is_injected) {
            return Self { hold: Vec::new(), open: Vec::new() };
        }
        // The agent does not run there.
        let is_without_agent = scene.fargate.is_some() || scene.workload.is_windows();
        let usable = scene.plan.unconnected.iter();
        let usable = usable.filter(|role| !(is_without_agent && role.step == MissingStep::Association));
        let (hold, open) = usable.partition(|role| role.state == State::Holds);
        Self { hold, open }
    }

    /// The step that gives the pods a role; with the role, where there is only one.
    pub(super) fn connect(&self, scene: &Scene<'_, '_>) -> Option<Change> {
        self.hold.first()?;
        let is_annotation = self.hold.iter().any(|role| role.step == MissingStep::Annotation);
        let step = if is_annotation { MissingStep::Annotation } else { MissingStep::Association };
        let mut of_step = self.hold.iter().filter(|role| role.step == step);
        let only = of_step.next().filter(|_| of_step.next().is_none());
        let role = only.map(|role| &*role.role_arn);
        let world = scene.world;
        Some(fix::connect(&world.snapshot, scene.subject, step, role, world.conventions.role_arn_key()))
    }

    /// Adds to the finding for the node role what is known of these roles: the fix names one, or a hint does.
    pub(super) fn improve(&self, scene: &Scene<'_, '_>, mut problem: Problem) -> Problem {
        if let (Some(connect), Some(first)) = (self.connect(scene), self.hold.first()) {
            problem.fix = Fix { steps: vec![connect], ..problem.fix };
            return problem.about(&first.role_arn, RolePart::Naming);
        }
        let Some(open) = self.open.first() else {
            return problem;
        };
        let role = Text::from(name(&open.role_arn));
        problem.hint(Some(Hint::from(Remark::MayBeMeant { role }))).about(&open.role_arn, RolePart::Naming)
    }

    /// What is said instead of the finding for the node role. `None`: there is no such role, or the pods have, or may have,
    /// credentials of their own.
    pub(super) fn instead(
        &self,
        scene: &Scene<'_, '_>,
        judged: &[JudgedContainer<'_>],
        without_role: &[&Container<'_>],
        fallback: &Problem,
    ) -> Option<Problem> {
        let (first, connect) = (self.hold.first()?, self.connect(scene)?);
        let has_identity = |judged: &JudgedContainer<'_>| !matches!(judged.identity, Identity::Node | Identity::None);
        // Every pod of the namespace that names no service account has this one: that a role is meant for it says little.
        let is_shared = scene.subject.service_account == "default" && fallback.level == Level::Strict;
        if judged.iter().any(has_identity)
            || without_role.iter().any(|container| brings_other_credentials(container))
            || is_shared
            || brings_token(scene)
        {
            return None;
        }
        let account = scene.subject.into();
        let roles = match self.hold.as_slice() {
            [only] => NamingRoles::One { role: name(&only.role_arn).into(), by_tags: only.by_tags, missing: only.step },
            several => NamingRoles::Several(several.len()),
        };
        let arns: List = self.hold.iter().map(|role| &role.role_arn).collect();
        let cause = CredentialsCause::NotConnected { account, roles, to: fallback_of(scene, without_role) };
        let fix = Fix { steps: vec![connect], alternative: fallback.fix.alternative.clone() };
        Some(
            Problem::new(&rules::ROLE_NOT_CONNECTED, cause, fix)
                .expected(Label::RolesThatNameIt, crate::finding::EvidenceValue::List(arns))
                .found(Label::Found, CredentialsValue::NeitherAnnotationNorAssociation(scene.subject.into()))
                .about(&first.role_arn, RolePart::Naming),
        )
    }
}

/// The name of a role.
fn name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The pod mounts a token of its service account for AWS: it gets credentials in a way of its own.
fn brings_token(scene: &Scene<'_, '_>) -> bool {
    let sources = scene.workload.spec.volumes.iter().filter_map(|volume| volume.projected.as_ref());
    let mut tokens = sources.flat_map(|projected| &projected.sources).filter_map(|s| s.service_account_token.as_ref());
    tokens.any(|token| {
        token.audience.as_ref().is_some_and(|audience| *audience.as_str() == *scene.plan.injected_audience)
    })
}

/// Reports that a workload has no identity of its own: by the role that it should have had, where one names it.
pub(super) fn report(
    scene: &Scene<'_, '_>,
    judged: &[JudgedContainer<'_>],
    without_role: &[&Container<'_>],
    is_declared: bool,
    fallback: Problem,
    gathering: &mut Gathering<'_>,
) {
    let roles = Roles::of(scene, without_role);
    // What is declared is certain, and stays so: the role is its fix.
    let instead = if is_declared { None } else { roles.instead(scene, judged, without_role, &fallback) };
    // Who said that the node role may be used does not hear of it under another name.
    let is_ignored = gathering.is_ignored(&fallback);
    match instead.filter(|_| !is_ignored) {
        // The two rules are exempted one by one.
        Some(instead) if gathering.is_ignored(&instead) => {
            gathering.add_of_node_role(instead);
            gathering.add_of_node_role(fallback);
        }
        Some(instead) => gathering.add_of_node_role(instead),
        None => gathering.add_of_node_role(roles.improve(scene, fallback)),
    }
}
