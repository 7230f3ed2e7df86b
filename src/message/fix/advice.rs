//! What only a person can do.

use rolecall_core::fix::{AccountName, Advice, PlaceholderIn, UnresolvedValue};

use super::sentence::without_condition;
use crate::names::{holder, policy_statement, service_account};

/// A clause without a full stop.
pub(super) fn advice(advice: &Advice) -> String {
    match advice {
        Advice::FewerRolesInObject => "use fewer roles in one object, or shorten their trust policies".to_owned(),
        Advice::FewerRolesInPod => {
            "use fewer roles in one pod, or declare no needs for it in the annotation rolecall.dev/requires".to_owned()
        }
        Advice::OwnServiceAccount => {
            "use a service account of its own for this workload, since every pod that names none uses `default`"
                .to_owned()
        }
        Advice::ReadAudience => {
            "read the token's `aud` in a pod, or leave AWS_WEB_IDENTITY_TOKEN_FILE and its volume to the injector"
                .to_owned()
        }
        Advice::LetInjectorOrSplit => "let the injector set the AWS_* variables, or split the pod".to_owned(),
        Advice::LetInjectorUnlessIntended => {
            "no change is needed where this is intended; otherwise remove the AWS_* variables and let the injector set \
             them"
                .to_owned()
        }
        Advice::RemoveWebIdentityUnlessTrusted => {
            "no change is needed where the role trusts that token's issuer; otherwise remove AWS_ROLE_ARN and \
             AWS_WEB_IDENTITY_TOKEN_FILE from the pod template"
                .to_owned()
        }
        Advice::RemoveIdentityAnnotation(on) => {
            format!("remove the annotation rolecall.dev/identity from {}", holder(on))
        }
        Advice::ChangeRequireIdentity => "change requireIdentity in the configuration of rolecall".to_owned(),
        Advice::SetEnd(on) => format!("set rolecall.dev/ignore-until=YYYY-MM-DD on {}", holder(on)),
        Advice::FixWhatIsHidden => "fix what it hides".to_owned(),
        Advice::RemoveExemption => "remove rolecall.dev/ignore and rolecall.dev/ignore-until".to_owned(),
        Advice::UsePatterns => {
            "name actions by patterns, such as dynamodb:*Item, in rolecall.dev/requires".to_owned()
        }
        Advice::DeclareFewerNeeds => {
            "declare fewer needs, or name the resource of each in rolecall.dev/requires".to_owned()
        }
        Advice::NarrowOrRemoveNeed(statement) => {
            format!("narrow {}, or remove the declared need", policy_statement(statement))
        }
        Advice::RemoveFromNodeRole(role) => format!("remove the permission from the node role {role}"),
        Advice::StartWithoutVariables => {
            "start the ephemeral container without AWS_* credentials variables, or mount the token's volume in it"
                .to_owned()
        }
        Advice::CheckForKeys(rule) => format!(
            "make sure that it brings no AWS keys, then annotate the namespace rolecall.dev/ignore: {rule} (on the workload \
             it lifts warnings only)"
        ),
        Advice::CorrectOwnName => {
            "correct it or remove it; docs/configuration.md lists the settings that rolecall reads"
                .to_owned()
        }
        Advice::AllowGenerated { account: AccountName { namespace, name }, key, stem } => format!(
            "since the end of the name {name} is generated, use a condition StringLike {key} = \
             system:serviceaccount:{namespace}:{stem}* (it allows every service account of namespace {namespace} whose name \
             begins with {stem})"
        ),
        Advice::SendSessionTags { account, role } => format!(
            "have the Pod Identity association of {} send session tags, so that the trust policy of role {} can name it: without \
             them a statement allows every association of the role that sends none",
            service_account(account),
            role.name
        ),
        Advice::SetRoleField(arn) => format!("write {arn} in the field of the object that names the role"),
        Advice::SetField(path) => format!("set {path}"),
        Advice::RemoveOneOf([first, second]) => format!("remove {first}, or {second}"),
        Advice::CheckController(controller) => {
            format!("check the identity of the pods of {controller}, and that the role trusts it")
        }
        Advice::SeeStatus { role, policies } => format!(
            "see in the status of the object what AWS decides, or {}",
            without_condition(role, *policies)
        ),
        Advice::NameNamespace => {
            "name the namespace of the service account where the kind has a field for it; otherwise check the role's trust \
             policy by hand"
                .to_owned()
        }
        Advice::ReadAccount(account) => {
            format!("check the manifest of {} too, or scan the cluster", service_account(account))
        }
        Advice::OneAudience => "name no audience besides that for STS".to_owned(),
        Advice::FewerIdentities => "name fewer identities in one object".to_owned(),
        Advice::Complete(unknown) => complete(unknown),
    }
}

/// How to give a value that a manifest does not contain.
fn complete(unknown: &UnresolvedValue) -> String {
    match unknown {
        UnresolvedValue::Placeholder { text, .. } => match text.strip_prefix("${") {
            Some(name) => {
                let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
                format!("give it a value: --substitute {}=VALUE", name.get(..end).unwrap_or_default())
            }
            None => "render the manifest first, or write the value".to_owned(),
        },
        UnresolvedValue::AccountNamespace(_) => "say which namespace the manifests are applied to: -n NS".to_owned(),
        UnresolvedValue::Namespace(_) => "say which namespace it is applied to: -n NS".to_owned(),
    }
}

/// Why a value is not known yet: `the namespace is assumed to be default`.
pub fn unresolved(unknown: &UnresolvedValue) -> String {
    match unknown {
        UnresolvedValue::Placeholder { place, text } => {
            let place = match place {
                PlaceholderIn::Field(name) => name.to_string(),
                PlaceholderIn::AccountName => "the service account's name".to_owned(),
                PlaceholderIn::VariableName => "the name of a variable".to_owned(),
                PlaceholderIn::Variable(name) => format!("variable {name}"),
                PlaceholderIn::Label => "a label".to_owned(),
            };
            format!("{place} holds the placeholder {text}")
        }
        UnresolvedValue::AccountNamespace(account) => format!("service account {account} names no namespace"),
        UnresolvedValue::Namespace(namespace) => format!("the namespace is assumed to be `{namespace}`"),
    }
}
