//! What the injector does and does not do for a pod, as data.
#![expect(missing_docs, reason = "the sentences of `rolecall-message` say what each variant means")]

use super::cause::RoleRef;
use crate::fix::{AccountName, Text};

/// What is wrong with what the injector adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectionCause {
    /// An ephemeral container brings variables of its own.
    EphemeralPreset {
        container: Text,
        why: Preset,
    },
    /// An annotation takes the container out.
    Skipped {
        role: RoleRef,
        key: Text,
    },
    TokenLifetime {
        account: AccountName,
        key: Text,
        effect: LifetimeEffect,
    },
    /// The API server refuses the token in a volume.
    VolumeLifetime {
        account: AccountName,
        volume: Text,
    },
}

/// What a container brings of its own that the injector would add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preset {
    RelativeUri,
    OwnUri,
    FullUriWithoutToken,
    /// The token is not for the Pod Identity agent.
    OtherAudience,
    /// The volume has no token of that name.
    NoSuchToken {
        variable: TokenVariable,
    },
    /// No token is mounted there.
    TokenNotMounted {
        variable: TokenVariable,
    },
    /// A volume of the injector's name.
    Volume(Text),
    ApiServerToken,
    /// A volume of the injector's name, with a token that the role does not accept.
    VolumeAudience(Text),
    /// A variable keeps the injector from adding the other.
    Variable,
    /// Two volumes at one path.
    MountConflict {
        injected: Text,
        path: Text,
        own: Text,
    },
}

/// The variable that names a token file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenVariable {
    WebIdentity,
    PodIdentity,
}

/// Why the injector added nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotInjected {
    WillNotAct,
    DidNotAct,
    /// It did not act although it is registered.
    DidNotActThoughRegistered,
    NotRegistered,
}

/// What becomes of a lifetime that is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifetimeEffect {
    /// It is not a number: the injector uses its default.
    Ignored,
    /// It is too long: the API server refuses the pods.
    Refused,
    /// The injector raises it.
    Raised,
    /// EKS grants less.
    Shortened,
}
