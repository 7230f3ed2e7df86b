//! A container with a credentials URI: is it the Pod Identity agent's, and will the agent get the token that it needs?

use super::Gathering;
use super::container::{One, Verdict};
use crate::chain::{State, missing};
use crate::finding::{
    self, AgentTokenDoubt, Certainty, CredentialsValue, IdentityDoubt, InjectionValue, Platform, Preset, Problem,
    TokenVariable,
};
use crate::identity::{Mechanism, POD_IDENTITY_AUDIENCE, POD_IDENTITY_FOLDER, Value};
use crate::workload::{TokenContent, clean_path};

/// What is known of the token for the agent.
enum AgentToken {
    /// It is the right one.
    Right,
    /// It is not.
    Wrong(Box<Problem>),
    /// It cannot be seen.
    Unseen(AgentTokenDoubt),
}

impl<'a> One<'a, '_, '_> {
    pub(super) fn container_credentials(&self, gathering: &mut Gathering<'_>) -> Verdict<'a> {
        let scene = self.scene;
        let is_planned = self.plan().uses_association();
        let relative = self.env.relative_uri.filter(|uri| uri.is_set());
        if relative.is_some() || !self.env.uses_agent() {
            let uri = relative.or(self.env.full_uri).and_then(Value::literal);
            let uri = uri.map_or(CredentialsValue::UriReference.into(), finding::EvidenceValue::from);
            let problem = if !is_planned {
                self.undecided(IdentityDoubt::OtherCredentialsUri, CredentialsValue::AgentUri, uri)
            } else if relative.is_some() {
                // Go's SDK reads the full URI first, the others the relative one.
                self.preset(Preset::RelativeUri, uri).at_most(Certainty::Likely)
            } else {
                self.preset(Preset::OwnUri, uri).at_most(Certainty::Likely)
            };
            gathering.add_for(self.name(), problem);
            return (None, State::Unknown);
        }
        let role = if is_planned { scene.plan_role() } else { None };
        let windows = scene.workload.is_windows().then_some(Platform::Windows);
        if let Some(platform) = scene.fargate.clone().or(windows) {
            gathering.add(self.unsupported(platform));
            return (role, State::Broken);
        }
        if let Some(exceptions) = self.env.proxied() {
            gathering.add_for(self.name(), self.proxied(exceptions));
        }
        let token = match self.agent_token() {
            AgentToken::Right => State::Holds,
            AgentToken::Wrong(problem) => {
                // The token file's variable may come from an object that is not looked into.
                let hidden = self.env.authorization_token_file.is_none() && !self.container.env_from.is_empty();
                let at_most = if hidden { Certainty::Likely } else { Certainty::Certain };
                gathering.add_for(self.name(), problem.at_most(at_most));
                return (role, if hidden { State::Unknown } else { State::Broken });
            }
            AgentToken::Unseen(why) => {
                let why = IdentityDoubt::AgentToken(why);
                let problem = self.undecided(why, CredentialsValue::InjectedToken, CredentialsValue::OtherTokenFile);
                gathering.add_for(self.name(), problem);
                State::Unknown
            }
        };
        if is_planned {
            return (role, self.planned(gathering).and(token));
        }
        if scene.world.snapshot.associations.is_none() {
            gathering.add_for(self.name(), missing::associations(&scene.world.snapshot, scene.subject));
            return (None, State::Unknown);
        }
        let problem = self.no_association();
        let state = if problem.certainty == Certainty::Certain { State::Broken } else { State::Unknown };
        gathering.add_for(self.name(), problem);
        (None, state)
    }

    /// Whether the agent will get a usable token.
    fn agent_token(&self) -> AgentToken {
        let wrong = |why: Preset, found: finding::EvidenceValue| AgentToken::Wrong(Box::new(self.preset(why, found)));
        let variable = TokenVariable::PodIdentity;
        let Some(value) = self.env.authorization_token_file.filter(|value| value.is_set()) else {
            if self.env.authorization_token.is_some_and(Value::is_set) {
                return AgentToken::Unseen(AgentTokenDoubt::TokenOfItsOwn);
            }
            let (present, absent) = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
            return wrong(Preset::FullUriWithoutToken, InjectionValue::Without { present, absent }.into());
        };
        let Some(file) = value.literal() else {
            return AgentToken::Unseen(AgentTokenDoubt::FileReference);
        };
        let source = self.source(file);
        let volume = Mechanism::PodIdentity.volume();
        match source.content {
            TokenContent::Token(POD_IDENTITY_AUDIENCE) => AgentToken::Right,
            TokenContent::Token(audience) => {
                let audience = (!audience.is_empty()).then(|| audience.into());
                wrong(Preset::OtherAudience, InjectionValue::TokenFor { audience }.into())
            }
            TokenContent::NoSuchFile => wrong(Preset::NoSuchToken { variable }, file.into()),
            TokenContent::NotMounted if is_below(file, POD_IDENTITY_FOLDER) => {
                wrong(Preset::TokenNotMounted { variable }, file.into())
            }
            // The injector goes by the volume's name and adds none.
            TokenContent::Opaque if source.volume == Some(volume) && !self.is_csi(volume) => wrong(
                Preset::Volume(volume.into()),
                InjectionValue::VolumeWithoutToken { volume: volume.into() }.into(),
            ),
            TokenContent::NotMounted | TokenContent::Opaque | TokenContent::SomeToken => {
                AgentToken::Unseen(AgentTokenDoubt::Unseen { file: file.into() })
            }
        }
    }
}

fn is_below(file: &str, folder: &str) -> bool {
    clean_path(file).strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}
