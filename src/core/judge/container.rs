//! One container: whom will it be, and does the chain behind that hold?

use std::borrow::Cow;

use super::{Circumstances, Gathering, JudgedContainer};
use crate::chain::{self, Audience, Chain, RoleSource, State, Subject, fix};
use crate::finding::{Certainty, Problem};
use crate::identity::{
    CredentialEnv, Identity, Injection, Mechanism, OptOut, OptOuts, POD_IDENTITY_TOKEN, Value, predict,
};
use crate::rules;
use crate::workload::{Container, EnvFrom, ServiceAccountToken, Stage, TokenSource, Volumes, Workload, token_source};
use crate::world::{Known, Plan, World};

/// File of the API server's own token.
const API_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What all the containers of a workload share.
pub(super) struct Scene<'a, 's> {
    pub(super) world: &'a World,
    pub(super) workload: &'s Workload<'a>,
    pub(super) subject: Subject<'a>,
    pub(super) plan: Cow<'a, Plan>,
    pub(super) known: Known<'a>,
    /// Why the pod runs on Fargate.
    pub(super) fargate: Option<String>,
    pub(super) opt_outs: OptOuts<'a>,
    /// The volumes by name.
    pub(super) volumes: Volumes<'a>,
    pub(super) circumstances: Circumstances,
}

impl<'a> Scene<'a, '_> {
    /// The role that is meant, borrowed where the plan is.
    fn plan_role(&self) -> Option<Cow<'a, str>> {
        match &self.plan {
            Cow::Borrowed(plan) => plan.role_arn.as_deref().map(Cow::Borrowed),
            Cow::Owned(plan) => plan.role_arn.as_ref().map(|role| Cow::Owned(role.to_string())),
        }
    }

    pub(super) fn role_name(&self) -> &str {
        self.plan.role_arn.as_deref().map_or("its role", |arn| arn.rsplit('/').next().unwrap_or(arn))
    }
}

pub(super) fn judge_container<'a>(
    scene: &Scene<'a, '_>,
    container: &'a Container<'a>,
    ephemeral: bool,
    gathering: &mut Gathering<'_>,
) -> JudgedContainer<'a> {
    let own = CredentialEnv::of(container);
    // The injector passes ephemeral containers over.
    let opted_out = if ephemeral { None } else { scene.opt_outs.of_container(container.name.as_str()) };
    let mut env: CredentialEnv<'_> = own;
    let mut mounted = false;
    if scene.workload.stage == Stage::Predicted
        && !ephemeral
        && opted_out.is_none()
        && let Some(mechanism) = scene.plan.mechanism
    {
        // With all three of its kinds preset, the injector returns before it mounts the token.
        let returns_early = Injection::found(&own, mechanism) != Injection::Nothing
            && (own.region.is_some() || own.default_region.is_some())
            && own.sts_regional_endpoints.is_some();
        mounted = !returns_early;
        predict(&mut env, mechanism, scene.plan.role_arn.as_deref().unwrap_or("?"), &scene.world.token_file);
    }
    let one = One { scene, container, env, ephemeral, opted_out, mounted };
    let identity = Identity::of(&one.env, scene.fargate.is_none());
    one.possible_keys(identity, gathering);
    let (role, chain) = match identity {
        Identity::StaticKeys => (None, one.static_keys(gathering)),
        Identity::Irsa => one.web_identity(gathering),
        Identity::PodIdentity => one.container_credentials(gathering),
        Identity::Node => (scene.world.snapshot.node_role().map(Cow::Borrowed), one.uninjected(gathering)),
        Identity::None => (None, one.uninjected(gathering)),
    };
    JudgedContainer { name: container.name.as_str(), identity, role, chain }
}

/// A container with the environment that it will have.
pub(super) struct One<'a, 's, 'p> {
    pub(super) scene: &'p Scene<'a, 's>,
    pub(super) container: &'a Container<'a>,
    pub(super) env: CredentialEnv<'p>,
    pub(super) ephemeral: bool,
    pub(super) opted_out: Option<OptOut>,
    /// The injector will mount its token here.
    pub(super) mounted: bool,
}

type Verdict<'a> = (Option<Cow<'a, str>>, State);

impl<'a> One<'a, '_, '_> {
    pub(super) fn name(&self) -> &'a str {
        self.container.name.as_str()
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.scene.plan
    }

    /// The chain that is meant for all pods of the service account.
    fn planned(&self, gathering: &mut Gathering<'_>) -> State {
        match &self.plan().chain {
            Some(chain) => {
                gathering.add_chain(&chain.problems);
                chain.state
            }
            None => State::Unknown,
        }
    }

    fn static_keys(&self, gathering: &mut Gathering<'_>) -> State {
        // What is configured does not work, but the keys may: no reason to refuse.
        if let Some(chain) = &self.plan().chain {
            let likely = |problem: &Problem| problem.clone().at_most(Certainty::Likely);
            gathering.add_chain(&chain.problems.iter().map(likely).collect::<Vec<_>>());
        }
        let literal = self.env.secret_access_key.and_then(Value::literal).is_some();
        gathering.add_for(
            self.name(),
            Problem::new(
                &rules::STATIC_KEYS,
                format!("pods of {} will use static keys: they come before any role", self.scene.subject),
                match self.plan().mechanism {
                    Some(_) => "remove AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from the pod template: the role then counts"
                        .to_owned(),
                    None => format!(
                        "remove AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from the pod template, then give it a role: {}",
                        fix::create_association(&self.scene.world.snapshot, self.scene.subject, "ROLE_ARN")
                    ),
                },
            )
            .expected("expected", "an identity of the service account")
            .found("the environment has", if literal { "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in clear" } else { "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" }),
        );
        State::Unknown
    }

    /// What may bring static keys that cannot be seen from here.
    fn possible_keys(&self, identity: Identity, gathering: &mut Gathering<'_>) {
        if identity == Identity::StaticKeys {
            return;
        }
        let env = &self.env;
        let set = |value: Option<Value<'_>>| value.is_some_and(Value::is_set);
        let (found, certainty) = if set(env.access_key_id) != set(env.secret_access_key) {
            let there = if set(env.access_key_id) { "AWS_ACCESS_KEY_ID" } else { "AWS_SECRET_ACCESS_KEY" };
            (format!("{there} without its other half"), Certainty::Likely)
        } else if set(env.profile) {
            ("AWS_PROFILE".to_owned(), Certainty::Likely)
        } else if set(env.shared_credentials_file) {
            ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), Certainty::Likely)
        } else if set(env.config_file) {
            ("AWS_CONFIG_FILE".to_owned(), Certainty::Likely)
        } else if let Some(mount) =
            self.container.volume_mounts.iter().find(|mount| is_credentials_folder(mount.mount_path.as_str()))
        {
            (format!("a volume at {}", mount.mount_path.as_str()), Certainty::Likely)
        } else if let Some((source, certainty)) =
            self.container.env_from.iter().filter_map(source_name).max_by_key(|(_, certainty)| *certainty)
        {
            if certainty == Certainty::Undecided && !matches!(identity, Identity::Irsa | Identity::PodIdentity) {
                return;
            }
            (format!("envFrom {source}"), certainty)
        } else {
            return;
        };
        gathering.add_for(
            self.name(),
            Problem::new(
                &rules::STATIC_KEYS_POSSIBLE,
                format!("static keys may come before the role of {}", self.scene.subject),
                format!(
                    "make sure that it brings no AWS keys, then annotate the workload rolecall.dev/ignore: {}",
                    rules::STATIC_KEYS_POSSIBLE.name
                ),
            )
            .at_most(certainty)
            .expected("expected", "no other source of credentials")
            .found("the container has", found),
        );
    }

    fn web_identity(&self, gathering: &mut Gathering<'_>) -> Verdict<'a> {
        let role = self.env.role_arn.and_then(Value::literal);
        let planned = self.plan().role_arn.as_deref();
        let shown = match role {
            Some(role) if Some(role) == planned => self.scene.plan_role(),
            Some(role) => Some(Cow::Owned(role.to_owned())),
            None => None,
        };
        if self.asks_elsewhere() {
            return (shown, State::Unknown);
        }
        let audience = match self.token() {
            Ok(audience) => audience,
            Err(problem) => {
                gathering.add_for(self.name(), *problem);
                return (shown, State::Broken);
            }
        };
        let Some(role) = role else {
            return (None, State::Unknown);
        };
        let state = match self.plan().mechanism {
            Some(Mechanism::Irsa) if Some(role) == planned && audience == Audience::Is(&self.plan().audience) => {
                self.planned(gathering)
            }
            Some(Mechanism::Irsa) => {
                if Some(role) != planned {
                    gathering.add_for(self.name(), self.overridden(role));
                }
                self.own_chain(role, audience, gathering)
            }
            Some(Mechanism::PodIdentity) => {
                gathering.add_for(self.name(), self.shadowed(role));
                self.own_chain(role, audience, gathering)
            }
            None => self.own_chain(role, audience, gathering),
        };
        (shown, state)
    }

    /// The container is pointed at another STS than AWS's: MinIO and its like take web identities too.
    fn asks_elsewhere(&self) -> bool {
        self.container.env.iter().any(|variable| {
            let value = variable.value.as_ref().map_or("", |value| value.as_str());
            matches!(variable.name.as_str(), "AWS_ENDPOINT_URL" | "AWS_ENDPOINT_URL_STS")
                && !value.is_empty()
                && !value.contains(".amazonaws.com")
                && !value.contains(".api.aws")
        })
    }

    /// The audience of the token behind the token file, or why there is no usable token.
    fn token(&self) -> Result<Audience<'_>, Box<Problem>> {
        let conventions = &self.scene.world.conventions;
        let Some(file) = self.env.token_file.and_then(Value::literal) else {
            return Ok(Audience::Unknown);
        };
        let in_injected_folder =
            file.strip_prefix(&conventions.token_mount_path).is_some_and(|rest| rest.starts_with('/'));
        if self.plan().mechanism == Some(Mechanism::Irsa) && self.mounted && in_injected_folder {
            return if self.occupied(Mechanism::Irsa) {
                Err(Box::new(self.preset(
                    "a volume called aws-iam-token is already there, so the token is not mounted",
                    "a volume aws-iam-token of its own",
                )))
            } else if file != self.scene.world.token_file {
                Err(Box::new(
                    self.preset("the injector mounts no token under the name in AWS_WEB_IDENTITY_TOKEN_FILE", file),
                ))
            } else {
                Ok(Audience::Is(&self.plan().audience))
            };
        }
        match token_source(&self.scene.volumes, self.container, file) {
            TokenSource::Projected(Some(audience)) => Ok(Audience::Is(audience)),
            TokenSource::Projected(None) => Err(Box::new(
                self.preset("the token file holds a token for the API server, which STS does not take", file),
            )),
            TokenSource::NoSuchFile => Err(Box::new(
                self.preset("the volume has no token under the name in AWS_WEB_IDENTITY_TOKEN_FILE", file),
            )),
            TokenSource::Opaque | TokenSource::NotMounted if file == API_TOKEN => Err(Box::new(
                self.preset("the token file is the API server's own token, which STS does not take", file),
            )),
            TokenSource::NotMounted if in_injected_folder => {
                Err(Box::new(self.preset("no token is mounted where AWS_WEB_IDENTITY_TOKEN_FILE points", file)))
            }
            TokenSource::Opaque if in_injected_folder && self.occupied(Mechanism::Irsa) => Err(Box::new(self.preset(
                "a volume called aws-iam-token is already there, so the token is not mounted",
                "a volume aws-iam-token of its own",
            ))),
            TokenSource::Opaque | TokenSource::NotMounted => Ok(Audience::Unknown),
        }
    }

    /// A volume of the injector's name that is no projected token: the injector goes by the name and adds none.
    fn occupied(&self, mechanism: Mechanism) -> bool {
        let (path, audience) = match mechanism {
            Mechanism::Irsa => ("token", &*self.plan().audience),
            Mechanism::PodIdentity => ("eks-pod-identity-token", "pods.eks.amazonaws.com"),
        };
        let fits = |token: &ServiceAccountToken<'_>| {
            token.path.as_str() == path && token.audience.as_ref().is_some_and(|found| found.as_str() == audience)
        };
        self.scene.volumes.get(mechanism.volume()).is_some_and(|volume| {
            let mut sources = volume.projected.iter().flat_map(|projected| &projected.sources);
            !sources.any(|source| source.service_account_token.as_ref().is_some_and(fits))
        })
    }

    /// The chain of a role that is not the plan's, or of a token that is not the injector's.
    fn own_chain(&self, role: &str, audience: Audience<'_>, gathering: &mut Gathering<'_>) -> State {
        let scene = self.scene;
        // Without word of the service account, what the injector set tells of its annotation.
        let annotated = self.plan().mechanism == Some(Mechanism::Irsa) && self.plan().role_arn.as_deref() == Some(role)
            || scene.known == Known::Unknown
            || scene.known.account().and_then(|account| account.role_arn.as_deref()) == Some(role);
        let source = if annotated {
            RoleSource::Annotation(scene.world.conventions.role_arn_key())
        } else {
            RoleSource::Container
        };
        let Chain { state, problems, open, .. } =
            chain::irsa(&scene.world.snapshot, scene.subject, role, audience, source);
        if scene.known == Known::Unknown {
            gathering.add_chain(&problems);
        } else {
            gathering.add_chain_for(self.name(), &problems);
        }
        if let Some(open) = open
            && !gathering.findings.iter().any(|finding| finding.problem == open)
        {
            gathering.add(open);
        }
        state
    }

    fn container_credentials(&self, gathering: &mut Gathering<'_>) -> Verdict<'a> {
        let scene = self.scene;
        let mechanism = self.plan().mechanism;
        if !self.env.uses_agent() {
            let found =
                self.env.full_uri.or(self.env.relative_uri).and_then(Value::literal).unwrap_or("a URI from elsewhere");
            if mechanism == Some(Mechanism::PodIdentity) {
                let problem = self.preset("a credentials URI of its own keeps the association's away", found);
                gathering.add_for(self.name(), problem.at_most(Certainty::Likely));
            }
            return (None, State::Unknown);
        }
        let role = if mechanism == Some(Mechanism::PodIdentity) { scene.plan_role() } else { None };
        let windows = scene.workload.is_windows().then(|| "Windows".to_owned());
        if let Some(platform) = scene.fargate.clone().or(windows) {
            gathering.add(self.unsupported(&platform));
            return (role, State::Broken);
        }
        if let Some(exceptions) = self.env.proxied() {
            gathering.add_for(self.name(), self.proxied(exceptions));
        }
        if let Some(problem) = self.agent_token() {
            // The token file's variable may come from an object that is not looked into.
            let hidden = self.env.authorization_token_file.is_none() && !self.container.env_from.is_empty();
            let at_most = if hidden { Certainty::Likely } else { Certainty::Certain };
            gathering.add_for(self.name(), problem.at_most(at_most));
            return (role, if hidden { State::Unknown } else { State::Broken });
        }
        if mechanism == Some(Mechanism::PodIdentity) {
            return (role, self.planned(gathering));
        }
        if scene.world.snapshot.associations.is_none() {
            return (None, State::Unknown);
        }
        let problem = self.no_association();
        let state = if problem.certainty == Certainty::Certain { State::Broken } else { State::Unknown };
        gathering.add_for(self.name(), problem);
        (None, state)
    }

    /// Why the agent will not get a usable token.
    fn agent_token(&self) -> Option<Problem> {
        let Some(file) = self.env.authorization_token_file.filter(|value| value.is_set()) else {
            return Some(self.preset(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI of its own keeps the token file away",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI without AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            ));
        };
        let file = file.literal()?;
        if self.mounted && file == POD_IDENTITY_TOKEN {
            return self.occupied(Mechanism::PodIdentity).then(|| {
                self.preset(
                    "a volume called eks-pod-identity-token is already there, so the token is not mounted",
                    "a volume eks-pod-identity-token of its own",
                )
            });
        }
        match token_source(&self.scene.volumes, self.container, file) {
            TokenSource::Projected(Some("pods.eks.amazonaws.com")) => None,
            TokenSource::Projected(audience) => Some(self.preset(
                "its token is not for pods.eks.amazonaws.com",
                &format!("a token for {}", audience.unwrap_or("the API server")),
            )),
            TokenSource::NoSuchFile => Some(
                self.preset("the volume has no token under the name in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file),
            ),
            TokenSource::NotMounted if file.starts_with("/var/run/secrets/pods.eks.amazonaws.com/") => {
                Some(self.preset("no token is mounted where AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE points", file))
            }
            TokenSource::NotMounted | TokenSource::Opaque => None,
        }
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
        let problem = if found == Injection::Nothing {
            self.not_injected()
        } else {
            // The other may come from an object that is not looked into.
            let at_most = if self.container.env_from.is_empty() { Certainty::Certain } else { Certainty::Likely };
            let why = "a variable of its own keeps the injector from adding the other";
            self.preset(why, self.preset_variable(mechanism)).at_most(at_most)
        };
        let state = if problem.certainty == Certainty::Certain { State::Broken } else { State::Unknown };
        match &scene.plan.chain {
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

/// The folder where SDKs look for the shared files.
fn is_credentials_folder(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    path.ends_with("/.aws") || path.contains("/.aws/")
}

/// Where `envFrom` takes variables from, and how much its name says. Names inside are not looked up: reading Secrets is a
/// high price for it.
fn source_name(source: &EnvFrom<'_>) -> Option<(String, Certainty)> {
    let (kind, named) = match (&source.secret_ref, &source.config_map_ref) {
        (Some(named), _) => ("Secret", named),
        (None, Some(named)) => ("ConfigMap", named),
        (None, None) => return None,
    };
    let prefix = source.prefix.as_ref().map(|prefix| prefix.as_str()).unwrap_or_default();
    if !"AWS_".starts_with(prefix) && !prefix.starts_with("AWS_") {
        return None;
    }
    let name = named.name.as_str();
    let folded = name.to_ascii_lowercase();
    let smells = folded
        .split(['-', '.', '_'])
        .any(|word| matches!(word, "aws" | "s3" | "iam" | "amazon" | "dynamodb" | "sqs" | "sns"))
        || ["credential", "access-key", "accesskey", "awskey"].iter().any(|word| folded.contains(word));
    match (kind, smells) {
        (_, true) => Some((format!("{kind} {name}"), Certainty::Likely)),
        ("Secret", false) => Some((format!("{kind} {name}"), Certainty::Undecided)),
        _ => None,
    }
}
