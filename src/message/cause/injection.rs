//! What the injector does and does not do.

use rolecall_core::finding::{InjectionCause, LifetimeEffect, NotInjected, Preset, TokenVariable};

use crate::names::{POD_IDENTITY, account, role, service_account};

pub(super) fn sentence(cause: &InjectionCause) -> String {
    match cause {
        InjectionCause::EphemeralPreset { container, why } => {
            format!("ephemeral container {container} gets no credentials with its own variables: {}", preset(why))
        }
        InjectionCause::Skipped { role: own, key } => {
            format!("the container does not get {}: the annotation {key} names it", role(own))
        }
        InjectionCause::TokenLifetime { account, key, effect } => {
            let effect = match effect {
                LifetimeEffect::Ignored => "the injector ignores it and uses its default, usually 86400 seconds",
                LifetimeEffect::Refused => "the API server refuses every pod that the injector gives such a token",
                LifetimeEffect::Raised => "the injector raises it to 600 seconds",
                LifetimeEffect::Shortened => "EKS grants at most a day",
            };
            let account = service_account(account);
            format!("the token of {account} will not have the lifetime that {key} asks for: {effect}")
        }
        InjectionCause::VolumeLifetime { account: name, volume } => {
            let name = account(name);
            format!("the API server refuses the pods of {name}, because of the token in volume {volume}")
        }
    }
}

fn variable(variable: TokenVariable) -> &'static str {
    match variable {
        TokenVariable::WebIdentity => "AWS_WEB_IDENTITY_TOKEN_FILE",
        TokenVariable::PodIdentity => "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    }
}

/// What keeps the injector from adding what it would, or makes it useless.
pub(super) fn preset(why: &Preset) -> String {
    match why {
        Preset::RelativeUri => {
            "most SDKs read AWS_CONTAINER_CREDENTIALS_RELATIVE_URI first, so they do not call the agent".to_owned()
        }
        Preset::OwnUri => "the container's own credentials URI replaces that of the association".to_owned(),
        Preset::FullUriWithoutToken => {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is set, so the injector does not add the token file".to_owned()
        }
        Preset::OtherAudience => format!("its token is not for {POD_IDENTITY}"),
        Preset::NoSuchToken { variable: name } => {
            format!("the volume has no token under the name in {}", variable(*name))
        }
        Preset::TokenNotMounted { variable: name } => {
            format!("no token is mounted where {} points", variable(*name))
        }
        Preset::Volume(volume) => {
            format!("the pod has a volume {volume} of its own, so the injector adds no token")
        }
        Preset::ApiServerToken => {
            "the token file holds a token for the API server, whose audience STS refuses".to_owned()
        }
        Preset::VolumeAudience(volume) => {
            format!("the pod has a volume {volume} of its own, and the role does not accept its token's audience")
        }
        Preset::Variable => "a variable of its own keeps the injector from adding the other".to_owned(),
        Preset::MountConflict { injected, path, own } => format!(
            "the API server refuses its pods, because the injector mounts volume {injected} at {path}, where volume {own} \
             is mounted already"
        ),
    }
}

/// Why the injector added nothing.
pub(super) fn not_injected(why: NotInjected) -> &'static str {
    match why {
        NotInjected::WillNotAct => "the injector will not act on its pods",
        NotInjected::DidNotAct => "the injector did not act on this pod",
        NotInjected::DidNotActThoughRegistered => "the injector is registered but did not act on this pod",
        NotInjected::NotRegistered => "the injector's webhook is not registered in this cluster",
    }
}
