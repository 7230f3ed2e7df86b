//! Variables that hold the role that the container has already. An application that assumes the role of such a variable asks for
//! its own, and a role must trust itself for that (AWS Security Blog, "Announcing an update to IAM role trust policy behavior").

use rolecall_iam::{Document, MapContext, Principal, Request, RoleArn, Verdict};

use super::container::Scene;
use crate::finding::{CredentialsCause, Label, Problem, RolePart, TrustValue};
use crate::fix::TemplateChange;
use crate::identity::Identity;
use crate::rules;
use crate::workload::Container;

/// Variables by which SDKs and the injector name the role of the web identity itself.
const OF_WEB_IDENTITY: &str = "AWS_ROLE_ARN";

/// The problem of a container whose chain holds.
pub(super) fn problem(
    scene: &Scene<'_, '_>,
    container: &Container<'_>,
    identity: Identity,
    role: &str,
) -> Option<Problem> {
    if !matches!(identity, Identity::Irsa | Identity::PodIdentity) {
        return None;
    }
    let holds = |value: &str| value == role;
    let variable = container.env.iter().find(|variable| {
        variable.name.as_str() != OF_WEB_IDENTITY && variable.value.as_ref().is_some_and(|value| holds(value.as_str()))
    })?;
    let trust = scene.world.snapshot.role(role)?.trust.as_ref()?;
    let name = RoleArn::parse(role).ok()?.name;
    if !refuses(trust, role) {
        return None;
    }
    Some(
        Problem::new(
            &rules::ROLE_ASSUMES_ITSELF,
            CredentialsCause::AssumesItself {
                account: scene.subject.into(),
                role: name.into(),
                variable: variable.name.as_str().into(),
            },
            TemplateChange::RemoveVariable { name: variable.name.as_str().into() },
        )
        .expected(Label::TrustMustName, role)
        .found(Label::ItNames, TrustValue::Principals(crate::chain::trusted_principals(trust)))
        .about(role, RolePart::Beyond),
    )
}

/// Whether the trust policy certainly does not let sessions of the role assume it.
fn refuses(trust: &Document, role: &str) -> bool {
    let context = MapContext::new().unknown_by_default().with("aws:PrincipalArn", role);
    let request =
        Request { action: "sts:AssumeRole", resource: None, principal: Some(Principal::Aws(role)), context: &context };
    matches!(trust.evaluate(&request), Verdict::ImplicitlyDenied | Verdict::ExplicitlyDenied)
}
