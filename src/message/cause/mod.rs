//! What is wrong, in one sentence without a full stop.

mod configuration;
mod credentials;
mod ecs;
mod injection;
mod permission;
mod reference;
mod role;

use rolecall_core::finding::{Affected, Cause, Problem, bounded};

pub(crate) use credentials::platform;

use crate::fix::unresolved;
use crate::names::service_account;

/// What is wrong: who cannot do what, and why.
pub fn message(problem: &Problem) -> String {
    bounded(sentence(&problem.cause))
}

fn sentence(cause: &Cause) -> String {
    match cause {
        Cause::CannotAssume { account, role, why } => {
            let why = role::cannot_assume(why);
            format!("{} cannot assume {}: {why}", service_account(account), crate::names::role(role))
        }
        Cause::CannotTell { account, role, why } => role::cannot_tell(account, role, why),
        Cause::Role(cause) => role::role(cause),
        Cause::Organization { account, role, why } => {
            format!("{} {}", service_account(account), role::organization(role, why))
        }
        Cause::Target { account, first, target, is_of_association, why } => {
            let noun = if *is_of_association { "target role" } else { "role" };
            role::target(account, first, &format!("{noun} {target}"), why)
        }
        Cause::Credentials(cause) => credentials::sentence(cause),
        Cause::Injection(cause) => injection::sentence(cause),
        Cause::Permission(cause) => permission::sentence(cause),
        Cause::Configuration(cause) => configuration::sentence(cause),
        Cause::Cluster(cause) => configuration::cluster(cause),
        Cause::Reference { controller, why } => reference::sentence(*controller, why),
        Cause::Ecs(cause) => ecs::sentence(cause),
        Cause::Unresolved { value, affected } => {
            let since = unresolved(value);
            match affected {
                Affected::Finding(cause) => {
                    format!("not known, since {since}; as it stands: {}", bounded(sentence(cause)))
                }
                Affected::ContainerIdentity => {
                    format!("which identity the container gets is not known, since {since}")
                }
                Affected::Role => format!("whether the role can be assumed is not known, since {since}"),
            }
        }
    }
}
