//! One container: which identity does it get, and does the chain behind that hold?

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::other_credentials;
use super::required::Requirement;
use super::self_assume;
use super::{Circumstances, Gathering, JudgedContainer};
use crate::chain::{Chain, State, Subject, fix};
use crate::cluster::ServiceAccount;
use crate::effort::Effort;
use crate::finding::{
    Certainty, CredentialsCause, CredentialsValue, InjectionValue, Label, NoMetadata, Platform, Preset, Problem,
    RoleRef, StaticKeys,
};
use crate::fix::{Fix, TemplateChange};
use crate::identity::{
    CredentialEnv, ExpandedTexts, Identity, Injection, Mechanism, OptOut, OptOuts, POD_IDENTITY_AUDIENCE,
    POD_IDENTITY_FOLDER, Value, Written, predict,
};
use crate::known::Known;
use crate::rules;
use crate::workload::{Container, Stage, TokenMount, TokenSource, Volumes, Workload, other_store, token_source};
use crate::world::{Plan, World};

/// The label of a node that tells Fargate, hybrid nodes and Auto Mode apart (Amazon EKS User Guide).
pub(super) const COMPUTE_TYPE: &str = "eks.amazonaws.com/compute-type";

/// What all the containers of a workload share.
pub(super) struct Scene<'a, 's> {
    pub(super) world: &'a World,
    pub(super) workload: &'s Workload<'a>,
    pub(super) subject: Subject<'a>,
    pub(super) plan: Cow<'a, Plan>,
    pub(super) known: Known<&'a ServiceAccount>,
    /// Why the pod runs on Fargate.
    pub(super) fargate: Option<Platform>,
    /// The injector will ask for a token of a lifetime that the API server refuses.
    pub(super) refused_expiration: bool,
    /// The pods must have an identity.
    pub(super) required: Option<Requirement>,
    pub(super) opt_outs: OptOuts<'a>,
    /// The volumes by name.
    pub(super) volumes: Volumes<'a>,
    pub(super) circumstances: Circumstances,
    /// The chains of roles that containers bring themselves.
    pub(super) own_chains: OwnChains,
    /// What may still be done for the object.
    pub(super) effort: &'s Effort,
}

/// Chains of one workload by role and kind of token, each walked once.
pub(super) type OwnChains = RefCell<HashMap<(String, Option<String>, bool), Rc<Chain>>>;

impl<'a> Scene<'a, '_> {
    /// The role that is meant, borrowed where the plan is.
    pub(super) fn plan_role(&self) -> Option<Cow<'a, str>> {
        match &self.plan {
            Cow::Borrowed(plan) => plan.role_arn.as_deref().map(Cow::Borrowed),
            Cow::Owned(plan) => plan.role_arn.as_ref().map(|role| Cow::Owned(role.to_string())),
        }
    }

    /// Why the pod cannot reach instance metadata (IMDS), where that is known: Fargate has none, nor have hybrid nodes
    /// (Amazon EKS User Guide, "AWS Fargate considerations" and "Amazon EKS Hybrid Nodes overview"), and a hop limit of 1
    /// ends at the node's own network.
    pub(super) fn without_metadata(&self) -> Option<NoMetadata> {
        if self.fargate.is_some() {
            Some(NoMetadata::Fargate)
        } else if self.workload.required_node_label(COMPUTE_TYPE) == Some("hybrid") {
            Some(NoMetadata::HybridNode)
        } else if !self.workload.spec.host_network && self.world.pods_reach_metadata() == Some(false) {
            Some(NoMetadata::HopLimit)
        } else {
            None
        }
    }

    /// The name of the role that is meant, where it is known.
    pub(super) fn role_name(&self) -> Option<&str> {
        self.plan.role_arn.as_deref().map(|arn| arn.rsplit('/').next().unwrap_or(arn))
    }

    pub(super) fn role(&self) -> RoleRef {
        self.role_name().map_or(RoleRef::Own, RoleRef::named)
    }
}

pub(super) fn judge_container<'a>(
    scene: &Scene<'a, '_>,
    container: &'a Container<'a>,
    ephemeral: bool,
    gathering: &mut Gathering<'_>,
) -> JudgedContainer<'a> {
    let expanded = ExpandedTexts::of(container);
    let own = CredentialEnv::of(container, &expanded);
    // The injector passes ephemeral containers over.
    let opted_out = if ephemeral { None } else { scene.opt_outs.of_container(container.name.as_str()) };
    let mut env: CredentialEnv<'_> = own;
    let is_predicted = scene.workload.stage == Stage::Predicted && !scene.opt_outs.pod();
    let mechanism = scene.plan.mechanism.filter(|_| is_predicted);
    let mut injected = mechanism.map(|mechanism| token_mount(scene, mechanism));
    if let (Some(mechanism), Some(injected)) = (mechanism, &mut injected)
        && !ephemeral
        && opted_out.is_none()
    {
        // With all three of its kinds preset, the injector returns before it mounts the token.
        let returns_early = Injection::found(&own, mechanism) != Injection::Nothing
            && (own.region.is_some() || own.default_region.is_some())
            && own.sts_regional_endpoints.is_some();
        injected.mounts = !returns_early;
        let windows = scene.workload.has_windows_node_selector();
        let token_file = if windows { &scene.world.windows_token_file } else { &scene.world.token_file };
        let ipv6 = scene.world.snapshot.cluster.as_ref().is_some_and(|cluster| cluster.ipv6);
        let written = Written { token_file, windows, ipv6 };
        predict(&mut env, mechanism, scene.plan.role_arn.as_deref().unwrap_or("?"), written);
    }
    let one = One { scene, container, env, ephemeral, opted_out, injected };
    let identity = Identity::of(&one.env, scene.without_metadata().is_none() && !one.env.disables_metadata());
    let stored = one.stored(gathering);
    one.possible_keys(identity, gathering);
    let (role, chain) = match identity {
        Identity::Irsa | Identity::PodIdentity if stored == State::Broken => (scene.plan_role(), stored),
        Identity::StaticKeys => (None, one.static_keys(gathering)),
        Identity::Irsa => one.web_identity(gathering),
        Identity::PodIdentity => one.container_credentials(gathering),
        Identity::Node => (scene.world.snapshot.node_role().map(Cow::Borrowed), one.uninjected(gathering)),
        // Only tasks of ECS have a task role.
        Identity::None | Identity::TaskRole => (None, one.uninjected(gathering)),
    };
    let chain = chain.and(stored);
    if chain == State::Holds
        && let Some(role) = &role
        && let Some(problem) = self_assume::problem(scene, container, identity, role)
    {
        gathering.add_for(container.name.as_str(), problem);
    }
    JudgedContainer {
        name: container.name.as_str(),
        service_account: Some(scene.subject.service_account),
        identity,
        role,
        chain,
    }
}

/// What the injector mounts for a mechanism.
fn token_mount<'p>(scene: &'p Scene<'_, '_>, mechanism: Mechanism) -> TokenMount<'p> {
    let (mount_path, audience) = match mechanism {
        Mechanism::Irsa => (&*scene.world.conventions.token_mount_path, &*scene.plan.injected_audience),
        Mechanism::PodIdentity => (POD_IDENTITY_FOLDER, POD_IDENTITY_AUDIENCE),
    };
    TokenMount { volume: mechanism.volume(), mount_path, file: mechanism.token_file(), audience, mounts: false }
}

/// A container with the environment that it will have.
pub(super) struct One<'a, 's, 'p> {
    pub(super) scene: &'p Scene<'a, 's>,
    pub(super) container: &'a Container<'a>,
    pub(super) env: CredentialEnv<'p>,
    pub(super) ephemeral: bool,
    pub(super) opted_out: Option<OptOut>,
    /// What the injector will add; `None` on an admitted pod and where nothing is configured.
    pub(super) injected: Option<TokenMount<'p>>,
}

/// The role of a container, where it is known, and the state of its chain.
pub(super) type Verdict<'a> = (Option<Cow<'a, str>>, State);

impl<'a, 'p> One<'a, '_, 'p> {
    pub(super) fn name(&self) -> &'a str {
        self.container.name.as_str()
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.scene.plan
    }

    /// What a file of the container leads to.
    pub(super) fn source<'f>(&self, file: &'f str) -> TokenSource<'f>
    where
        'p: 'f,
        'a: 'f,
    {
        token_source(&self.scene.volumes, self.container, self.injected, file)
    }

    /// The chain that is meant for all pods of the service account.
    pub(super) fn planned(&self, gathering: &mut Gathering<'_>) -> State {
        match &self.plan().chain {
            // An association that is not in the snapshot would win over the annotation: then nothing here is certain.
            Some(chain) if self.may_be_associated() => {
                let likely = |problem: &Problem| problem.clone().at_most(Certainty::Likely);
                gathering.add_chain(&chain.problems.iter().map(likely).collect::<Vec<_>>());
                if chain.state == State::Broken { State::Unknown } else { chain.state }
            }
            Some(chain) => {
                gathering.add_chain(&chain.problems);
                chain.state
            }
            None => State::Unknown,
        }
    }

    /// Whether the injector may find an association that is not in the snapshot, for a container to which it adds a web
    /// identity otherwise.
    fn may_be_associated(&self) -> bool {
        let scene = self.scene;
        let is_open = self.injected.is_some()
            && scene.plan.uses_web_identity()
            && scene.world.snapshot.association(scene.subject.namespace, scene.subject.service_account).is_unknown();
        let injects = || {
            let expanded = ExpandedTexts::of(self.container);
            Injection::found(&CredentialEnv::of(self.container, &expanded), Mechanism::Irsa) == Injection::Nothing
        };
        is_open && injects()
    }

    fn static_keys(&self, gathering: &mut Gathering<'_>) -> State {
        // What is configured does not work, but the keys may: no reason to refuse.
        if let Some(chain) = &self.plan().chain {
            let likely = |problem: &Problem| problem.clone().at_most(Certainty::Likely);
            gathering.add_chain(&chain.problems.iter().map(likely).collect::<Vec<_>>());
        }
        let literal = self.env.secret_access_key.and_then(Value::literal).is_some();
        let problem = Problem::new(
            &rules::STATIC_KEYS,
            CredentialsCause::StaticKeys { account: self.scene.subject.into() },
            match self.plan().mechanism {
                Some(_) => Fix::from(TemplateChange::RemoveKeys),
                None => Fix::from(TemplateChange::RemoveKeys)
                    .then_all(fix::create_association(&self.scene.world.snapshot, self.scene.subject)),
            },
        )
        .expected(Label::Expected, CredentialsValue::OfServiceAccount);
        let (problem, keys) = match other_store(self.container) {
            // The keys are that store's, and no identity of AWS.
            Some(endpoint) => (problem.at_most(Certainty::Undecided), StaticKeys::ForStore((&endpoint).into())),
            None if literal => (problem, StaticKeys::ClearText),
            None => (problem, StaticKeys::Reference),
        };
        gathering.add_for(self.name(), problem.found(Label::EnvironmentHas, CredentialsValue::StaticKeys(keys)));
        State::Unknown
    }

    /// Whether the API server will store the pod once the injector has acted on it.
    fn stored(&self, gathering: &mut Gathering<'_>) -> State {
        let Some(injected) = self.injected else {
            return State::Holds;
        };
        if let Some(own) = injected.conflict(self.container) {
            let path = injected.mount_path;
            let why = Preset::MountConflict { injected: injected.volume.into(), path: path.into(), own: own.into() };
            let found = InjectionValue::VolumeAt { volume: own.into(), path: path.into() };
            let mut problem = self.preset(why, found);
            problem.fix = TemplateChange::MoveMount { volume: own.into(), path: path.into() }.into();
            gathering.add_for(self.name(), problem);
            return State::Broken;
        }
        if self.scene.refused_expiration && self.scene.volumes.get(injected.volume).is_none() {
            return State::Broken;
        }
        State::Holds
    }

    /// Nothing was injected: is that as it should be?
    fn uninjected(&self, gathering: &mut Gathering<'_>) -> State {
        let scene = self.scene;
        let Some(mechanism) = scene.plan.mechanism.filter(|_| !self.ephemeral) else {
            return State::Unknown;
        };
        if self.opted_out == Some(OptOut::Container) {
            gathering.add_for(self.name(), self.skipped());
            return State::Unknown;
        }
        let found = Injection::found(&self.env, mechanism);
        let hidden = found != Injection::Nothing && other_credentials::may_bring_keys(self.container);
        let problem = if found == Injection::Nothing {
            self.not_injected()
        } else {
            // The other may come from an object or a profile that is not looked into.
            let at_most = if hidden { Certainty::Likely } else { Certainty::Certain };
            self.preset(Preset::Variable, self.preset_variable(mechanism)).at_most(at_most)
        };
        let state = if problem.certainty == Certainty::Certain { State::Broken } else { State::Unknown };
        match &scene.plan.chain {
            // The pod opted out of the role, so that it does not matter what is wrong with it.
            _ if self.opted_out == Some(OptOut::Pod) => {
                gathering.add_for(self.name(), problem);
                state
            }
            // So it is where the container may bring another.
            Some(chain) if chain.state == State::Broken && hidden => {
                let likely = |problem: &Problem| problem.clone().at_most(Certainty::Likely);
                let mut problems: Vec<Problem> = chain.problems.iter().map(likely).collect();
                problems.push(problem);
                gathering.add_chain(&problems);
                State::Unknown
            }
            Some(chain) if chain.state == State::Broken => {
                let mut problems = chain.problems.clone();
                problems.push(problem);
                gathering.add_chain(&problems);
                State::Broken
            }
            _ => {
                gathering.add_for(self.name(), problem);
                state
            }
        }
    }
}
