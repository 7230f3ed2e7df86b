//! The lifetime of the injected token: `eks.amazonaws.com/token-expiration` on the pod, else on the service account
//! (amazon-eks-pod-identity-webhook, `pkg/handler/handler.go`).

use super::container::Scene;
use crate::chain::{Subject, fix};
use crate::finding::{Certainty, ConfigurationValue, EvidenceValue, InjectionCause, Label, LifetimeEffect, Problem};
use crate::fix::TemplateChange;
use crate::level::Level;
use crate::rules;
use crate::workload::Stage;

/// The longest lifetime in seconds that the API server stores (Kubernetes, `ValidateProjectedVolumeSource`).
const MAX_SECONDS: i64 = 1 << 32;

/// What is wrong with a lifetime. The injector ignores what is not a number and raises what is below ten minutes
/// (`pkg/constants.go`); what lies above a day is not documented, and above 2^32 seconds the API server refuses the pod.
pub(super) fn problem(subject: Subject<'_>, key: &str, text: &str) -> Option<Problem> {
    let (certainty, level, effect) = match text.parse::<i64>() {
        Err(_) => (Certainty::Certain, Level::Strict, LifetimeEffect::Ignored),
        Ok(seconds) if seconds > MAX_SECONDS => (Certainty::Certain, Level::Chain, LifetimeEffect::Refused),
        Ok(seconds) if seconds < 600 => (Certainty::Certain, Level::Strict, LifetimeEffect::Raised),
        Ok(seconds) if seconds > 86_400 => (Certainty::Likely, Level::Strict, LifetimeEffect::Shortened),
        Ok(_) => return None,
    };
    Some(
        Problem::new(
            &rules::TOKEN_EXPIRATION,
            InjectionCause::TokenLifetime { account: subject.into(), key: key.into(), effect },
            fix::annotate(subject, key, "86400"),
        )
        .at_level(level)
        .at_most(certainty)
        .expected(Label::Expected, ConfigurationValue::Lifetime)
        .found(Label::AnnotationIs, EvidenceValue::Quoted(text.into())),
    )
}

/// What is wrong with the lifetime that a pod asks for, or that its service account does where pods can then not be
/// created.
pub(super) fn of_the_pod(scene: &Scene<'_, '_>) -> Option<Problem> {
    scene.plan.mechanism?;
    let key = scene.world.conventions.token_expiration_key();
    if let Some(text) = scene.workload.pod_metadata.annotations.get(key)
        && let Some(mut problem) = problem(scene.subject, key, text)
    {
        if !is_refused(scene) {
            // The injector asks for no such token here, or the pod is stored already.
            problem = problem.at_level(Level::Strict);
        }
        problem.fix = TemplateChange::SetAnnotation { key: key.into(), value: "86400".into() }.into();
        return Some(problem);
    }
    let text = scene.known.present()?.token_expiration.as_deref()?;
    is_refused(scene).then(|| problem(scene.subject, key, text)).flatten()
}

/// A volume of the pod's own whose token has a lifetime that the API server refuses, so that no pod can be created: below
/// ten minutes or above 2^32 seconds (Kubernetes, `ValidateProjectedVolumeSource`).
pub(super) fn refused_volume(scene: &Scene<'_, '_>) -> Option<Problem> {
    if scene.workload.stage != Stage::Predicted {
        return None;
    }
    let refused = scene.workload.spec.volumes.iter().find_map(|volume| {
        let sources = volume.projected.iter().flat_map(|projected| &projected.sources);
        let mut lifetimes = sources.filter_map(|source| source.service_account_token.as_ref()?.expiration_seconds);
        Some((volume.name.as_str(), lifetimes.find(|seconds| !(600..=MAX_SECONDS).contains(seconds))?))
    });
    let (volume, seconds) = refused?;
    Some(
        Problem::new(
            &rules::TOKEN_EXPIRATION,
            InjectionCause::VolumeLifetime { account: scene.subject.into(), volume: volume.into() },
            TemplateChange::SetExpiration { volume: volume.into(), seconds: 86_400 },
        )
        .at_level(Level::Chain)
        .expected(Label::Expected, ConfigurationValue::ExpirationRange)
        .found(Label::VolumeHas, ConfigurationValue::Expiration { seconds }),
    )
}

/// Whether the injector will ask for a lifetime that the API server refuses, so that no pod can be created.
pub(super) fn is_refused(scene: &Scene<'_, '_>) -> bool {
    let key = scene.world.conventions.token_expiration_key();
    let of_pod = scene.workload.pod_metadata.annotations.get(key);
    let of_account = scene.known.present().and_then(|account| account.token_expiration.as_deref());
    let mut texts = [of_pod, of_account].into_iter().flatten();
    // The injector adds no volume where one of that name exists.
    let adds_volume = scene.plan.mechanism.is_some_and(|mechanism| scene.volumes.get(mechanism.volume()).is_none());
    scene.workload.stage == Stage::Predicted
        && !scene.opt_outs.pod()
        && adds_volume
        && texts.find_map(|text| text.parse::<i64>().ok()).is_some_and(|seconds| seconds > MAX_SECONDS)
}
