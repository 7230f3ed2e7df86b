//! The components that rolecall knows, as a page and as a note.

use rolecall_core::workload::{Component, ComponentRole, Served, Sibling, Sign, components};

/// `docs/components.md`
pub fn page() -> String {
    let mut page = String::from(HEAD);
    for (role, title, text) in SECTIONS {
        page.push_str(&format!("\n## {title}\n\n{text}\n\n"));
        page.push_str("| component | recognised by | documented needs | source |\n|---|---|---|---|\n");
        for component in components().filter(|component| component.role == role) {
            page.push_str(&row(component));
        }
    }
    page
}

const HEAD: &str = "# Components that call AWS\n\n\
    rolecall recognises these components of AWS and of other projects, by their image together with their arguments, their variables and\n\
    the containers beside them. [evidence.md](evidence.md) says what that means for a workload. The actions are a part of what the source\n\
    documents: give a role what the source says, and no more. A managed policy is below `arn:aws:iam::aws:policy/`.\n\n\
    This page is written from the tables in `src/core/workload/needs/components/` by `make bless`. Of the rows of one image, the first\n\
    whose signs are there counts.\n";

const SECTIONS: [(ComponentRole, &str, &str); 3] = [
    (
        ComponentRole::Own,
        "They need an identity of their own",
        "Without one, `node-role-fallback` names the component at level `fallback`.",
    ),
    (
        ComponentRole::Node,
        "AWS runs them with the node's role",
        "At level `fallback` they have no finding, and `check` notes them. At `strict` the finding says that it is AWS's default.",
    ),
    (
        ComponentRole::None,
        "They need no role",
        "They do not call AWS, call it with the identities of other pods, or ask the node only. Their variables are no evidence.",
    ),
];

fn row(component: &Component) -> String {
    let images: Vec<String> = component.images.iter().map(|image| format!("`{image}`")).collect();
    let signs = component.signs.iter().map(|sign| sign_text(*sign));
    let recognised = std::iter::once(format!("image {}", images.join(", "))).chain(signs).collect::<Vec<_>>();
    let actions: Vec<String> = component.actions.iter().map(|action| format!("`{action}`")).collect();
    let policy = component.policy.map(|policy| format!("policy `{policy}`"));
    let needs: Vec<String> = policy.into_iter().chain((!actions.is_empty()).then(|| actions.join(", "))).collect();
    let needs = if needs.is_empty() { "see the source".to_owned() } else { needs.join(": ") };
    let needs = if component.role == ComponentRole::None { "none".to_owned() } else { needs };
    format!("| {} | {} | {needs} | [source]({}) |\n", component.name, recognised.join("; "), component.source)
}

fn sign_text(sign: Sign) -> String {
    let list = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let sibling = |sibling: Sibling| {
        let images = Sibling::ALL.iter().find(|(known, _)| *known == sibling).map_or(&[][..], |(_, images)| images);
        list(images)
    };
    match sign {
        Sign::Word(words) => format!("an argument is {}", list(words)),
        Sign::NoWord(words) => format!("no argument is {}", list(words)),
        Sign::Setting { names, values } => format!("flag or variable {} is {}", list(names), list(values)),
        Sign::Set(names) => format!("flag or variable {} is set", list(names)),
        Sign::Holds { names, text } => format!("flag {} holds `{text}`", list(names)),
        Sign::NoVariable(starts) => format!("no variable begins with {}", list(starts)),
        Sign::Beside(other) => format!("the pod has a container of {}", sibling(other)),
        Sign::NotBeside(other) => format!("the pod has no container of {}", sibling(other)),
        Sign::Configured => "a ConfigMap has settings that call AWS".to_owned(),
        Sign::ConfiguredIfSeen => "a ConfigMap has settings that call AWS, or none was seen".to_owned(),
        Sign::Serves(served) => format!("`check` or `scan` sees {}", resources(served)),
    }
}

fn resources(served: Served) -> &'static str {
    match served {
        Served::Route53Issuers => "an Issuer or ClusterIssuer with `route53` that has no keys and no service account",
        Served::SecretStores => "a SecretStore, ClusterSecretStore or generator for AWS without `auth`",
        Served::FluxSources => {
            "a Bucket, OCIRepository or GitRepository with `provider: aws` that has no keys and no service account"
        }
        Served::FluxImages => "an ImageRepository with `provider: aws` that has no keys and no service account",
        Served::KedaTriggers => {
            "a trigger of AWS with `identityOwner: operator` (in `check` only), or a TriggerAuthentication for AWS whose identity is the \
             operator's"
        }
    }
}

/// What to note of a component that uses the node's role by AWS's default.
pub fn node_role_note(resource: &str, component: &Component) -> String {
    format!(
        "{resource} uses the node role, which is AWS's default for {}; a role of its own is possible ({})",
        component.name, component.source
    )
}
