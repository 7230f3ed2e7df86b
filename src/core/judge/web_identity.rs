//! A container with a web identity: is the token the service account's, and does the role take it?

use std::borrow::Cow;
use std::rc::Rc;

use super::Gathering;
use super::container::{One, Verdict};
use crate::chain::{self, Audience, Chain, RoleSource, State, Subject};
use crate::finding::{
    self, Certainty, CredentialsCause, CredentialsValue, EndpointRef, IdentityDoubt, InjectionValue, Label, Preset,
    Problem, RoleCause, RolePart, RoleValue, TokenDoubt, TokenVariable,
};
use crate::fix::{Advice, TemplateChange};
use crate::identity::{Mechanism, Value};
use crate::known::Known;
use crate::rules;
use crate::snapshot::Snapshot;
use crate::workload::{Endpoint, Stage, TokenContent, clean_path, configured_endpoint, is_windows_path};

/// Folder of the API server's own token.
const API_TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// File of the API server's own token.
const API_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// For how many roles of its own a workload gets similar names: each is compared with all roles of its account.
const MAX_SEARCHED_ROLES: usize = 32;
/// Most different roles and tokens that are checked for one pod: its author must not keep the webhook busy.
pub(super) const MAX_OWN_CHAINS: usize = 256;

/// What is known of the token behind a token file.
enum Token<'t> {
    /// It is a token of the pod's service account for this audience.
    OfAccount(Audience<'t>),
    /// Whose it is cannot be seen, and for that reason.
    Foreign(TokenDoubt),
}

impl<'a> One<'a, '_, '_> {
    pub(super) fn web_identity(&self, gathering: &mut Gathering<'_>) -> Verdict<'a> {
        let scene = self.scene;
        let role = self.env.role_arn.and_then(Value::literal);
        let planned = self.plan().role_arn.as_deref();
        let shown = match role {
            Some(role) if Some(role) == planned => scene.plan_role(),
            Some(role) => Some(Cow::Owned(role.to_owned())),
            None => None,
        };
        if let Some(endpoint) = self.other_sts() {
            let address = EndpointRef::from(&endpoint);
            let why = IdentityDoubt::OtherSts(address.clone());
            let problem = self.undecided(why, CredentialsValue::AwsEndpoint, CredentialsValue::Endpoint(address));
            gathering.add_for(self.name(), problem);
            return (shown, State::Unknown);
        }
        let token = match self.token(role) {
            Ok(token) => token,
            Err(problem) => {
                let state = if problem.certainty == Certainty::Certain { State::Broken } else { State::Unknown };
                gathering.add_for(self.name(), *problem);
                return (shown, state);
            }
        };
        let Some(role) = role else {
            let (expected, found) = (CredentialsValue::RoleInManifest, CredentialsValue::Reference);
            gathering.add_for(self.name(), self.undecided(IdentityDoubt::RoleReference, expected, found));
            return (None, State::Unknown);
        };
        let audience = match token {
            Token::OfAccount(audience) => audience,
            Token::Foreign(why) => {
                if self.plan().uses_association() {
                    gathering.add_for(self.name(), self.shadowed(role));
                }
                return (shown, self.foreign_chain(role, why, gathering));
            }
        };
        let is_planned = self.plan().uses_web_identity() && Some(role) == planned && audience == self.plan().audience();
        let state = if is_planned {
            self.planned(gathering)
        } else {
            match self.plan().mechanism {
                Some(Mechanism::Irsa) if Some(role) != planned => {
                    gathering.add_for(self.name(), self.overridden(role));
                }
                Some(Mechanism::PodIdentity) => gathering.add_for(self.name(), self.shadowed(role)),
                Some(Mechanism::Irsa) | None => {}
            }
            self.own_chain(role, audience, gathering)
        };
        (shown, state.and(self.path_of_system(gathering)))
    }

    /// The container is pointed at another STS than AWS's: MinIO and its like take web identities too.
    fn other_sts(&self) -> Option<Endpoint<'_>> {
        configured_endpoint(self.container, "_STS")
    }

    /// Says that the container's identity is not known.
    pub(super) fn undecided(
        &self,
        why: IdentityDoubt,
        expected: CredentialsValue,
        found: impl Into<finding::EvidenceValue>,
    ) -> Problem {
        Problem::new(&rules::IDENTITY_UNDECIDED, CredentialsCause::Undecided(why), Advice::LetInjectorUnlessIntended)
            .expected(Label::Expected, expected)
            .found(Label::ContainerHas, found)
    }

    /// The token in the token file, or why there is no usable token.
    fn token(&self, role: Option<&str>) -> Result<Token<'_>, Box<Problem>> {
        let Some(file) = self.env.token_file.and_then(Value::literal) else {
            return Ok(Token::Foreign(TokenDoubt::FileReference));
        };
        let conventions = &self.scene.world.conventions;
        let folder = clean_path(&conventions.token_mount_path);
        let in_injected_folder =
            |file: &str| clean_path(file).strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if self.will_mount_default_token(file) {
            return self.api_token(role, file);
        }
        let source = self.source(file);
        let volume = Mechanism::Irsa.volume();
        let is_injected_volume = source.volume == Some(volume);
        let variable = TokenVariable::WebIdentity;
        match source.content {
            TokenContent::Token("") => self.api_token(role, file),
            TokenContent::Token(audience) => match self.misdirected(role, audience, is_injected_volume) {
                Some(problem) => Err(Box::new(problem)),
                None => Ok(Token::OfAccount(Audience::Is(audience))),
            },
            TokenContent::SomeToken => Ok(Token::OfAccount(Audience::Unknown)),
            TokenContent::NoSuchFile => Err(Box::new(self.preset(Preset::NoSuchToken { variable }, file))),
            TokenContent::NotMounted
                if clean_path(file) == API_TOKEN
                    || in_injected_folder(file)
                    || file == self.scene.world.windows_token_file =>
            {
                Err(Box::new(self.preset(Preset::TokenNotMounted { variable }, file)))
            }
            // The injector goes by the volume's name and adds none.
            TokenContent::Opaque
                if is_injected_volume
                    && !self.is_csi(volume)
                    && self.plan().uses_web_identity()
                    && role == self.plan().role_arn.as_deref() =>
            {
                let found = InjectionValue::VolumeWithoutToken { volume: volume.into() };
                Err(Box::new(self.preset(Preset::Volume(volume.into()), found)))
            }
            TokenContent::Opaque => Ok(Token::Foreign(TokenDoubt::InVolume {
                file: file.into(),
                volume: source.volume.unwrap_or_default().into(),
            })),
            TokenContent::NotMounted => Ok(Token::Foreign(TokenDoubt::NotMounted { file: file.into() })),
        }
    }

    /// Whether a volume of the pod's own is a CSI driver's, which may well hold a token.
    pub(super) fn is_csi(&self, volume: &str) -> bool {
        self.scene.volumes.get(volume).is_some_and(|volume| volume.csi.is_some())
    }

    /// Whether the API server will mount the default token at this path of a pod that is not created yet: unless the pod
    /// forbids it, or mounts something there itself (Kubernetes, "Configure Service Accounts for Pods"). What it mounts covers
    /// a mount at a folder above.
    fn will_mount_default_token(&self, file: &str) -> bool {
        let workload = self.scene.workload;
        let mut mounts = self.container.volume_mounts.iter().map(|mount| mount.mount_path.as_str());
        workload.stage == Stage::Predicted
            && clean_path(file) == API_TOKEN
            && workload.spec.automount_service_account_token != Some(false)
            && !mounts.any(|path| path == API_TOKEN_FOLDER || clean_path(path) == API_TOKEN)
    }

    /// The token that names no audience: it is for the API server. STS takes it where the role's OIDC provider lists that
    /// audience.
    fn api_token(&self, role: Option<&str>, file: &str) -> Result<Token<'_>, Box<Problem>> {
        let scene = self.scene;
        if self.plan().injected_audience.is_empty() && role == self.plan().role_arn.as_deref() {
            return Ok(Token::OfAccount(self.plan().audience()));
        }
        let snapshot = &scene.world.snapshot;
        let account = role.and_then(|role| rolecall_iam::RoleArn::parse(role).ok()).map(|role| role.account);
        let issuer = snapshot.cluster.as_ref().and_then(|cluster| cluster.issuer.as_ref());
        let provider = account.zip(issuer).and_then(|(account, issuer)| snapshot.provider(account, issuer).present());
        let client_ids = provider.and_then(|provider| provider.client_ids.as_ref());
        let api = scene.world.api_audience();
        let problem = || Box::new(self.preset(Preset::ApiServerToken, file));
        match (api, client_ids) {
            (Some(api), Some(accepted)) if accepted.iter().any(|id| **id == *api) => {
                Ok(Token::OfAccount(Audience::Is(api)))
            }
            (Some(_), Some(_)) => Err(problem()),
            // Which audience another API server has is a matter of its flags.
            (None, Some(_)) => Err(Box::new(problem().at_most(Certainty::Likely))),
            (api, None) => Ok(Token::OfAccount(api.map_or(Audience::Unknown, Audience::Is))),
        }
    }

    /// A volume of the injector's name, which it keeps, with a token for an audience that the role does not take. On an
    /// admitted pod the links themselves say so.
    fn misdirected(&self, role: Option<&str>, audience: &str, is_injected_volume: bool) -> Option<Problem> {
        let plan = self.plan();
        let role = role.filter(|role| Some(*role) == plan.role_arn.as_deref())?;
        let of_plan = self.scene.workload.stage == Stage::Predicted
            && is_injected_volume
            && plan.uses_web_identity()
            && Audience::Is(audience) != plan.audience();
        if !of_plan {
            return None;
        }
        let is_broken = |audience: Audience<'_>| self.chain_of(role, audience).state == State::Broken;
        (is_broken(Audience::Is(audience)) && !is_broken(plan.audience())).then(|| {
            let volume = Mechanism::Irsa.volume();
            self.preset(
                Preset::VolumeAudience(volume.into()),
                InjectionValue::VolumeWithTokenFor { volume: volume.into(), audience: audience.into() },
            )
            .about(role, RolePart::Assuming)
        })
    }

    fn role_source(&self, role: &str) -> RoleSource<'_> {
        let scene = self.scene;
        // Where the service account is not known, what the injector set shows its annotation.
        let annotated = self.plan().uses_web_identity() && self.plan().role_arn.as_deref() == Some(role)
            || scene.known == Known::Unknown
            || scene.known.present().and_then(|account| account.role_arn.as_deref()) == Some(role);
        if annotated { RoleSource::Annotation(scene.world.conventions.role_arn_key()) } else { RoleSource::Container }
    }

    /// The chain of a role; of the first roles that the workload's containers bring, each is walked once.
    fn chain_of(&self, role: &str, audience: Audience<'_>) -> Rc<Chain> {
        let key = match audience {
            Audience::Is(audience) => Some(audience.to_owned()),
            Audience::Unknown => None,
        };
        self.walked((role.to_owned(), key, true), |snapshot, subject, source| {
            chain::irsa(snapshot, subject, role, audience, source, self.scene.effort)
        })
    }

    fn walked(
        &self,
        key: (String, Option<String>, bool),
        walk: impl FnOnce(&Snapshot, Subject<'_>, RoleSource<'_>) -> Chain,
    ) -> Rc<Chain> {
        let mut chains = self.scene.own_chains.borrow_mut();
        if let Some(chain) = chains.get(&key) {
            return Rc::clone(chain);
        }
        if chains.len() >= MAX_OWN_CHAINS {
            return Rc::new(Chain::undecided(self.one_of_too_many()));
        }
        let is_one_of_many = chains.len() >= MAX_SEARCHED_ROLES;
        let source = if is_one_of_many { RoleSource::OneOfMany } else { self.role_source(&key.0) };
        let chain = Rc::new(walk(&self.scene.world.snapshot, self.scene.subject, source));
        chains.insert(key, Rc::clone(&chain));
        chain
    }

    fn one_of_too_many(&self) -> Problem {
        Problem::new(
            &rules::IDENTITY_UNDECIDED,
            CredentialsCause::TooManyRoles { account: self.scene.subject.into() },
            Advice::LetInjectorOrSplit,
        )
        .expected(Label::Expected, RoleValue::DifferentAtMost(MAX_OWN_CHAINS))
    }

    /// The chain of a role that is not the plan's, or of a token that is not the injector's.
    fn own_chain(&self, role: &str, audience: Audience<'_>, gathering: &mut Gathering<'_>) -> State {
        let chain = self.chain_of(role, audience);
        let Chain { state, problems, open, .. } = &*chain;
        if self.scene.known == Known::Unknown {
            gathering.add_chain(problems);
        } else {
            gathering.add_chain_for(self.name(), problems);
        }
        if let Some(open) = open
            && !gathering.findings.findings.iter().any(|finding| finding.problem == *open)
        {
            gathering.add(open.clone());
        }
        *state
    }

    /// The chain of a role behind a token whose issuer and subject are not known: only the role itself can be checked.
    fn foreign_chain(&self, role: &str, why: TokenDoubt, gathering: &mut Gathering<'_>) -> State {
        let scene = self.scene;
        let chain = self.walked((role.to_owned(), None, false), |snapshot, subject, source| {
            chain::role_only(snapshot, subject, role, source, scene.effort)
        });
        let (state, mut problems) = (chain.state, chain.problems.clone());
        if state != State::Broken {
            problems.push(
                Problem::new(
                    &rules::IRSA_TRUST_UNDECIDED,
                    RoleCause::ForeignToken { account: scene.subject.into(), role: role.into() },
                    Advice::RemoveWebIdentityUnlessTrusted,
                )
                .expected(Label::Expected, CredentialsValue::TokenOf(scene.subject.into()))
                .found(Label::Found, CredentialsValue::UnseenToken(why))
                .about(role, RolePart::Existing),
            );
        }
        gathering.add_chain_for(self.name(), &problems);
        state.and(State::Unknown)
    }

    /// Whether the form of the token's path fits the pod's operating system. A Windows process finds a Linux path on its
    /// current drive, which may be another than that of the mount.
    fn path_of_system(&self, gathering: &mut Gathering<'_>) -> State {
        let file = self.env.token_file.and_then(Value::literal).unwrap_or_default();
        let is_windows = self.scene.workload.is_windows();
        if is_windows == is_windows_path(file) {
            return State::Holds;
        }
        if !is_windows {
            let why = IdentityDoubt::WindowsPathOnLinux;
            gathering.add_for(self.name(), self.undecided(why, CredentialsValue::LinuxPath, file));
            return State::Unknown;
        }
        let mut problem = self.undecided(IdentityDoubt::LinuxPathOnWindows, CredentialsValue::PathOnDriveC, file);
        problem.fix = TemplateChange::SelectWindows.into();
        gathering.add_for(self.name(), problem);
        State::Unknown
    }
}
