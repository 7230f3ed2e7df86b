//! What a manifest does not say yet: the namespace that it will be applied to, and values that are placeholders. The core checks
//! an object as it is written. Results that depend on such a value are then changed to *unknown*.

use std::collections::{HashMap, HashSet};

use rolecall_core::chain::State;
use rolecall_core::cluster::Conventions;
use rolecall_core::custom::Reading;
use rolecall_core::decision::Level;
use rolecall_core::finding::{Affected, Cause, Certainty, Finding, Problem};
use rolecall_core::fix::{Advice, Change, Fix, PlaceholderIn, UnresolvedValue};
use rolecall_core::identity::Identity;
use rolecall_core::judge::Judgement;
use rolecall_core::rules::{
    IDENTITY_AMBIGUOUS, IDENTITY_UNDECIDED, NODE_ROLE_FALLBACK, ROLE_ARN_MALFORMED, ROLE_NOT_CONNECTED, Rule,
    SERVICE_ACCOUNT_MISSING, TOKEN_EXPIRATION, Trait,
};
use rolecall_core::workload::{Container, Kind, Metadata, Object, Workload};
use rolecall_core::world::World;
use rolecall_message::fix::unresolved;

use crate::sources::{CustomManifest, Manifest, Manifests, namespace_of, placeholder};

/// A value that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Doubt(UnresolvedValue);

impl Doubt {
    fn placeholder(place: impl FnOnce() -> PlaceholderIn, text: &str) -> Option<Self> {
        let text = placeholder(text)?;
        Some(Self(UnresolvedValue::Placeholder { place: place(), text: text.into() }))
    }

    /// The same in a field or an annotation, by its path or key.
    fn in_field(name: &str, text: &str) -> Option<Self> {
        Self::placeholder(|| PlaceholderIn::Field(name.into()), text)
    }

    fn why(&self) -> String {
        unresolved(&self.0)
    }

    /// What makes it known.
    fn fix(&self) -> Fix {
        Change::from(Advice::Complete(self.0.clone())).into()
    }

    fn problem(&self, rule: &'static Rule, affected: Affected) -> Problem {
        Problem {
            rule,
            level: rule.level,
            certainty: Certainty::Undecided,
            cause: self.cause(affected),
            expected: None,
            found: None,
            hint: None,
            fix: self.fix(),
            about: None,
        }
    }

    fn cause(&self, affected: Affected) -> Cause {
        Cause::Unresolved { value: self.0.clone(), affected }
    }
}

/// What all the manifests of a check leave open.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Service accounts whose identity holds a placeholder, by namespace and name.
    accounts: HashMap<(String, String), Doubt>,
    /// Names of service accounts whose namespace is assumed.
    without_namespace_yet: HashSet<String>,
}

impl Doubts {
    pub(super) fn of(manifests: &Manifests, conventions: &Conventions) -> Self {
        let mut doubts = Self::default();
        doubts.add(manifests, conventions);
        doubts
    }

    /// Adds what further manifests leave open.
    pub(super) fn add(&mut self, manifests: &Manifests, conventions: &Conventions) {
        for manifest in &manifests.objects {
            if manifest.kind != Some(Kind::ServiceAccount) || manifest.admitted {
                continue;
            }
            let Ok(object) = manifest.object() else { continue };
            let name = object.metadata.display_name();
            if manifest.assumed_namespace {
                self.without_namespace_yet.insert(name.clone());
            }
            if let Some(doubt) = of_account(&object.metadata, conventions) {
                self.accounts.insert((namespace_of(&object).to_owned(), name), doubt);
            }
        }
    }

    /// Why the identity of a service account is not known yet.
    pub(super) fn of_subject(&self, namespace: &str, name: &str) -> Option<String> {
        self.accounts.get(&(namespace.to_owned(), name.to_owned())).map(Doubt::why)
    }

    /// Whether a service account of this name has no namespace yet.
    pub(super) fn has_no_namespace(&self, name: &str) -> bool {
        self.without_namespace_yet.contains(name)
    }

    /// Changes to *unknown* what depends on values that are not known; returns what to note.
    pub(super) fn weaken(
        &self,
        judgement: &mut Judgement<'_>,
        manifest: &Manifest,
        object: &Object<'_>,
        workload: Option<&Workload<'_>>,
        world: &World,
    ) -> Vec<String> {
        if manifest.admitted {
            return Vec::new();
        }
        let mut notes = Vec::new();
        let namespace = namespace_of(object);
        let own_name = object.metadata.display_name();
        let account = workload.map_or(own_name.as_str(), Workload::service_account);
        let own_needs = of_needs(&object.metadata);
        let pod_needs = workload.and_then(|workload| of_needs(workload.pod_metadata));
        for doubt in [own_needs, pod_needs].into_iter().flatten() {
            apply(judgement, &doubt, |finding| finding.problem.rule.has(Trait::ReadsNeeds));
            notes.push(doubt.why());
        }
        let lifetime = world.conventions.token_expiration_key();
        if judgement.kind == Kind::ServiceAccount
            && let Some(text) = object.metadata.annotations.get(lifetime)
            && let Some(doubt) = Doubt::in_field(lifetime, text)
        {
            apply(judgement, &doubt, |finding| finding.problem.rule == &TOKEN_EXPIRATION);
            notes.push(doubt.why());
        }
        for (doubt, concerns) in workload.into_iter().flat_map(|workload| of_pod(workload, world)) {
            apply(judgement, &doubt, |finding| match concerns {
                Concerns::Lifetime => finding.problem.rule == &TOKEN_EXPIRATION,
                Concerns::Injection => true,
                Concerns::Placement => !finding.problem.rule.has(Trait::OnAnyNode),
            });
            for container in judgement.containers.iter_mut().filter(|container| container.chain == State::Holds) {
                container.chain = State::Unknown;
            }
            explain(judgement, &doubt, Vec::new());
            notes.push(doubt.why());
        }
        for (container, doubt) in workload.into_iter().flat_map(of_containers) {
            one_container(judgement, container, &doubt);
            notes.push(doubt.why());
        }
        if let Some(doubt) = self.accounts.get(&(namespace.to_owned(), account.to_owned())) {
            of_role(judgement, doubt);
            notes.push(doubt.why());
        }
        let of_namespace = Doubt::in_field("metadata.namespace", namespace);
        if let Some(doubt) = of_namespace.or_else(|| Doubt::placeholder(|| PlaceholderIn::AccountName, account)) {
            apply(judgement, &doubt, |_| true);
            unknown(judgement, |_| true);
            notes.push(doubt.why());
        } else if manifest.assumed_namespace {
            assumed_namespace(judgement, account, world);
        } else if self.has_no_namespace(account) {
            apply(judgement, &without_namespace(account), |finding| finding.problem.rule == &SERVICE_ACCOUNT_MISSING);
        }
        notes
    }
}

impl Doubts {
    /// The same of the identities that a custom resource names.
    pub(super) fn weaken_identities(
        &self,
        judgement: &mut Judgement<'_>,
        manifest: &CustomManifest,
        reading: &Reading<'_>,
        world: &World,
    ) -> Vec<String> {
        let mut notes = Vec::new();
        let of_namespace = Doubt::in_field("metadata.namespace", judgement.namespace);
        let fields = reading
            .references
            .iter()
            .flat_map(|reference| reference.texts().filter_map(|text| Doubt::in_field(&reference.path, text)));
        let accounts = judgement.identities.iter().filter_map(|identity| identity.service_account);
        let accounts: Vec<(Option<String>, String)> =
            accounts.map(|(namespace, name)| (namespace.map(str::to_owned), name.to_owned())).collect();
        let annotated = accounts
            .iter()
            .filter_map(|(namespace, name)| self.accounts.get(&(namespace.clone()?, name.clone())).cloned());
        for doubt in of_namespace.into_iter().chain(fields).chain(annotated).collect::<Vec<_>>() {
            apply(judgement, &doubt, |_| true);
            judgement.identities.iter_mut().for_each(|identity| identity.chain = State::Unknown);
            if !judgement.findings.iter().any(|finding| finding.problem.cause.depends_on(&doubt.0)) {
                judgement.findings.push(Finding {
                    problem: doubt.problem(&IDENTITY_UNDECIDED, Affected::Role),
                    containers: Vec::new(),
                    notes: Vec::new(),
                });
            }
            notes.push(doubt.why());
        }
        for (_, account) in &accounts {
            if manifest.assumed_namespace {
                assumed_namespace(judgement, account, world);
            } else if self.has_no_namespace(account) {
                apply(judgement, &without_namespace(account), |finding| {
                    finding.problem.rule == &SERVICE_ACCOUNT_MISSING
                });
            }
        }
        notes
    }
}

fn without_namespace(account: &str) -> Doubt {
    Doubt(UnresolvedValue::AccountNamespace(account.into()))
}

/// A placeholder in what the injector reads of a service account.
fn of_account(metadata: &Metadata<'_>, conventions: &Conventions) -> Option<Doubt> {
    let keys = [conventions.role_arn_key(), conventions.audience_key()];
    keys.into_iter().find_map(|key| Doubt::in_field(key, metadata.annotations.get(key)?))
}

fn of_needs(metadata: &Metadata<'_>) -> Option<Doubt> {
    let key = "rolecall.dev/requires";
    Doubt::in_field(key, metadata.annotations.get(key)?)
}

/// What a placeholder of a pod bears on.
#[derive(Clone, Copy)]
enum Concerns {
    /// How long the injected token is valid.
    Lifetime,
    /// Which containers are injected.
    Injection,
    /// Where the pod runs, or what it mounts.
    Placement,
}

/// Placeholders in what the injector, the scheduler or the kubelet reads of a pod and rolecall goes by.
fn of_pod(workload: &Workload<'_>, world: &World) -> Vec<(Doubt, Concerns)> {
    let spec = workload.spec;
    let conventions = &world.conventions;
    let annotation = |key: &str| Doubt::in_field(key, workload.pod_metadata.annotations.get(key)?);
    let selector = spec.node_selector.iter().map(|(_, value)| ("spec.nodeSelector", value));
    let affinity = spec.affinity.iter().filter_map(|affinity| affinity.node_affinity.as_ref()?.required.as_ref());
    let expressions =
        affinity.flat_map(|required| &required.node_selector_terms).flat_map(|term| &term.match_expressions);
    let affinity = expressions.flat_map(|expression| &expression.values).map(|value| ("spec.affinity", value.as_str()));
    let volumes = spec.volumes.iter().flat_map(|volume| {
        let sources = volume.projected.iter().flat_map(|projected| &projected.sources);
        let tokens = sources.filter_map(|source| source.service_account_token.as_ref());
        let texts = tokens
            .flat_map(|token| token.audience.iter().map(|audience| audience.as_str()).chain([token.path.as_str()]));
        texts.chain([volume.name.as_str()]).map(|text| ("spec.volumes", text))
    });
    let containers = spec.init_containers.iter().chain(&spec.containers);
    let mounts = containers.flat_map(|container| &container.volume_mounts);
    let mounts =
        mounts.flat_map(|mount| [mount.name.as_str(), mount.mount_path.as_str()]).map(|text| ("volumeMounts", text));
    // Labels decide where a Fargate profile selects by them.
    let profiles = world.snapshot.fargate_profiles.iter().flatten().flat_map(|profile| &profile.selectors);
    let keys = profiles.flat_map(|selector| &selector.labels).map(|(key, _)| &**key);
    let mut labels = keys.filter_map(|key| workload.pod_metadata.labels.get(key));
    let mut places = selector.chain(affinity).chain(volumes).chain(mounts);
    let place = places.find_map(|(place, text)| Doubt::in_field(place, text));
    let place = place.or_else(|| labels.find_map(|text| Doubt::placeholder(|| PlaceholderIn::Label, text)));
    let skipped = annotation(conventions.skip_containers_key());
    let lifetime = annotation(conventions.token_expiration_key());
    let doubts = [(skipped, Concerns::Injection), (place, Concerns::Placement), (lifetime, Concerns::Lifetime)];
    doubts.into_iter().filter_map(|(doubt, concerns)| Some((doubt?, concerns))).collect()
}

/// Adds a finding that says why an identity is not known, where no other says it.
fn explain(judgement: &mut Judgement<'_>, doubt: &Doubt, containers: Vec<String>) {
    let has_identity = |name: &str, identity: Identity| {
        identity.mechanism().is_some() && (containers.is_empty() || containers.iter().any(|of| of == name))
    };
    let concerns = judgement.containers.iter().any(|container| has_identity(container.name, container.identity));
    let is_said = judgement.findings.iter().any(|finding| finding.problem.cause.depends_on(&doubt.0));
    if concerns && !is_said {
        judgement.findings.push(Finding {
            problem: doubt.problem(&IDENTITY_UNDECIDED, Affected::ContainerIdentity),
            containers,
            notes: Vec::new(),
        });
    }
}

/// Variables that decide which credentials an SDK takes.
fn decides(name: &str) -> bool {
    name.starts_with("AWS_") && !matches!(name, "AWS_REGION" | "AWS_DEFAULT_REGION")
        || name.to_ascii_uppercase().ends_with("_PROXY")
        || placeholder(name).is_some()
}

fn of_containers<'o>(workload: &Workload<'o>) -> Vec<(&'o str, Doubt)> {
    let spec = workload.spec;
    let all = spec.init_containers.iter().chain(&spec.containers).chain(&spec.ephemeral_containers);
    let doubt = |container: &'o Container<'o>| {
        let mut variables = container.env.iter().filter(|variable| decides(variable.name.as_str()));
        let doubt = variables.find_map(|variable| {
            let name = variable.name.as_str();
            let value = variable.value.as_ref().map_or("", |value| value.as_str());
            Doubt::placeholder(|| PlaceholderIn::VariableName, name)
                .or_else(|| Doubt::placeholder(|| PlaceholderIn::Variable(name.into()), value))
        })?;
        Some((container.name.as_str(), doubt))
    };
    all.filter_map(doubt).collect()
}

/// The finding as something that is not known.
fn take_back(finding: &mut Finding, doubt: &Doubt) {
    let problem = &mut finding.problem;
    problem.certainty = Certainty::Undecided;
    problem.cause = doubt.cause(Affected::Finding(Box::new(problem.cause.clone())));
    problem.fix = doubt.fix();
    problem.hint = None;
}

fn apply(judgement: &mut Judgement<'_>, doubt: &Doubt, rests_on_it: impl Fn(&Finding) -> bool) -> bool {
    let mut applied = false;
    for finding in judgement.findings.iter_mut().filter(|finding| rests_on_it(finding)) {
        if finding.problem.certainty > Certainty::Undecided {
            take_back(finding, doubt);
        } else {
            finding.problem.fix = doubt.fix();
        }
        applied = true;
    }
    settle(judgement);
    applied
}

/// A chain stays broken only where something certain still breaks it.
fn settle(judgement: &mut Judgement<'_>) {
    let findings = &judgement.findings;
    for container in judgement.containers.iter_mut().filter(|container| container.chain == State::Broken) {
        let breaks = |finding: &Finding| {
            finding.problem.certainty == Certainty::Certain
                && finding.problem.level <= Level::Chain
                && (finding.containers.is_empty() || finding.containers.iter().any(|name| name == container.name))
        };
        if !findings.iter().any(breaks) {
            container.chain = State::Unknown;
        }
    }
    let breaks =
        |finding: &Finding| finding.problem.certainty == Certainty::Certain && finding.problem.level <= Level::Chain;
    if !judgement.findings.iter().any(breaks) {
        let broken = judgement.identities.iter_mut().filter(|identity| identity.chain == State::Broken);
        broken.for_each(|identity| identity.chain = State::Unknown);
    }
    judgement.findings.sort_by_key(|f| (std::cmp::Reverse(f.problem.certainty), f.problem.level));
}

fn unknown(judgement: &mut Judgement<'_>, rests_on_it: impl Fn(Identity) -> bool) {
    for container in judgement.containers.iter_mut().filter(|container| rests_on_it(container.identity)) {
        container.chain = State::Unknown;
    }
}

/// The role or the audience of the service account holds a placeholder; an association would win over both.
fn of_role(judgement: &mut Judgement<'_>, doubt: &Doubt) {
    let irsa = judgement.kind == Kind::ServiceAccount
        || judgement.containers.iter().any(|container| container.identity == Identity::Irsa);
    let said = apply(judgement, doubt, |finding| {
        let rule = finding.problem.rule;
        rule == &IDENTITY_AMBIGUOUS || (irsa && rule.has(Trait::ReadsRoleAnnotation))
    });
    unknown(judgement, |identity| identity == Identity::Irsa);
    if irsa && !said {
        judgement.findings.push(Finding {
            problem: Problem { level: Level::Chain, ..doubt.problem(&ROLE_ARN_MALFORMED, Affected::Role) },
            containers: Vec::new(),
            notes: Vec::new(),
        });
    }
}

/// One container's variables hold a placeholder: what is said of it is not known, what is said of others is.
fn one_container(judgement: &mut Judgement<'_>, name: &str, doubt: &Doubt) {
    let mut taken = Vec::new();
    for finding in &mut judgement.findings {
        let Some(at) = finding.containers.iter().position(|container| container == name) else { continue };
        let mut own = Finding { containers: vec![name.to_owned()], ..finding.clone() };
        take_back(&mut own, doubt);
        taken.push(own);
        finding.containers.swap_remove(at);
        if finding.containers.is_empty() {
            // It was this container's alone: the copy replaces it.
            finding.problem.level = Level::Off;
        }
    }
    judgement.findings.retain(|finding| finding.problem.level != Level::Off);
    judgement.findings.append(&mut taken);
    for container in judgement.containers.iter_mut().filter(|container| container.name == name) {
        container.chain = State::Unknown;
    }
    explain(judgement, doubt, vec![name.to_owned()]);
    // The workload's own findings are about this container too.
    apply(judgement, doubt, |finding| finding.containers.is_empty() && finding.problem.rule.has(Trait::OnNodeRole));
}

fn assumed_namespace(judgement: &mut Judgement<'_>, account: &str, world: &World) {
    let namespace = judgement.namespace;
    let doubt = Doubt(UnresolvedValue::Namespace(namespace.into()));
    // In another namespace an association may win over all that is said here.
    let elsewhere = world.snapshot.associations.as_ref().is_some_and(|associations| {
        associations.iter().any(|(other, accounts)| **other != *namespace && accounts.contains_key(account))
    });
    let of_node_role = |rule: &Rule| rule == &NODE_ROLE_FALLBACK || rule == &ROLE_NOT_CONNECTED;
    for finding in judgement.findings.iter_mut().filter(|finding| of_node_role(finding.problem.rule)) {
        finding.problem.certainty = finding.problem.certainty.min(Certainty::Likely);
    }
    apply(judgement, &doubt, |finding| {
        let rule = finding.problem.rule;
        let rests_on_it = elsewhere || (!of_node_role(rule) && !rule.has(Trait::InAnyNamespace));
        rests_on_it && finding.problem.certainty > Certainty::Undecided
    });
    // No command names the assumed namespace: it would be carried out there.
    for finding in &mut judgement.findings {
        finding.problem.fix.rename_namespace(namespace, "NAMESPACE");
    }
}
