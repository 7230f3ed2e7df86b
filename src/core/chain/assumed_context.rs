//! The condition keys of `AssumeRole` where a controller, with the credentials of one role, asks for the next that a custom
//! resource names (IAM User Guide, "AWS global condition context keys", "IAM and AWS STS condition context keys"; STS API,
//! `AssumeRole`).

use rolecall_iam::{Context, Lookup};

use super::keys;
use super::pod_identity_context::PodIdentityContext;
use crate::effort::Effort;
use crate::snapshot::Role;

/// What a controller asks for.
#[derive(Debug, Clone, Copy)]
pub struct RoleRequest<'a> {
    /// The role.
    pub arn: &'a str,
    /// The external ID that it sends.
    pub external_id: Option<&'a str>,
    /// The session tags that it sends: keys and values.
    pub tags: &'a [(&'a str, &'a str)],
}

/// What is known of the request.
#[derive(Clone, Copy)]
pub(super) struct AssumedContext<'a> {
    pub(super) request: RoleRequest<'a>,
    /// As `aws:TagKeys` carries them.
    pub(super) tag_keys: &'a [Box<str>],
    pub(super) first_role_arn: &'a str,
    /// Its tags are principal tags.
    pub(super) first_role: Option<&'a Role>,
    /// The role that is asked for.
    pub(super) role: &'a Role,
    /// The account of that role.
    pub(super) account: &'a str,
    /// Also use what no document says.
    pub(super) presume: bool,
    /// What may still be done.
    pub(super) effort: &'a Effort,
}

impl Context for AssumedContext<'_> {
    fn spend(&self, patterns: usize) -> bool {
        self.effort.spend(patterns)
    }

    fn lookup(&self, key: &str) -> Lookup<'_> {
        match key {
            "aws:securetransport" => Lookup::One("true"),
            "aws:resourceaccount" => Lookup::One(self.account),
            "aws:principalarn" => Lookup::One(self.first_role_arn),
            "aws:principalaccount" => {
                rolecall_iam::Arn::parse(self.first_role_arn).map_or(Lookup::Present, |arn| Lookup::One(arn.account))
            }
            "aws:principaltype" => Lookup::One("AssumedRole"),
            "aws:principalisawsservice" => Lookup::One("false"),
            // Of IAM users only.
            "aws:username" => Lookup::Absent,
            "sts:externalid" => self.request.external_id.map_or(Lookup::Absent, Lookup::One),
            "aws:tagkeys" if self.tag_keys.is_empty() => Lookup::Absent,
            "aws:tagkeys" => Lookup::Many(self.tag_keys),
            // Which of the tags are transitive is not read.
            "sts:transitivetagkeys" if self.tag_keys.is_empty() => Lookup::Absent,
            _ => self.other(key),
        }
    }
}

impl AssumedContext<'_> {
    fn other(&self, key: &str) -> Lookup<'_> {
        if let Some(tag) = key.strip_prefix("aws:requesttag/") {
            let found = self.request.tags.iter().find(|(known, _)| known.eq_ignore_ascii_case(tag));
            return found.map_or(Lookup::Absent, |(_, value)| Lookup::One(value));
        }
        if let Some(tag) = keys::resource_tag(self.role, key) {
            return tag;
        }
        if let Some(tag) = key.strip_prefix("aws:principaltag/") {
            return match self.first_role.map_or(Lookup::Unknown, |role| keys::role_tag(role, tag)) {
                // A session before may have brought a transitive tag.
                Lookup::Absent => Lookup::Unknown,
                known => known,
            };
        }
        // The session that a token led to may carry the token's claims on.
        if keys::of_another_token(key) {
            return Lookup::Unknown;
        }
        if keys::of_a_service_principal(key) {
            return Lookup::Absent;
        }
        if keys::of_another_service(key) && (self.presume || !keys::crosses_services(key)) {
            return Lookup::Absent;
        }
        let never_sent = ["aws:multifactorauthpresent", "aws:multifactorauthage", "aws:assumedroot"];
        if self.presume && never_sent.contains(&key) { Lookup::Absent } else { Lookup::Unknown }
    }
}

/// Either request for a second role.
#[derive(Clone)]
pub(super) enum HopContext<'a> {
    Association(PodIdentityContext<'a>),
    Controller(AssumedContext<'a>),
}

impl Context for HopContext<'_> {
    fn spend(&self, patterns: usize) -> bool {
        match self {
            Self::Association(context) => context.spend(patterns),
            Self::Controller(context) => context.spend(patterns),
        }
    }

    fn lookup(&self, key: &str) -> Lookup<'_> {
        match self {
            Self::Association(context) => context.lookup(key),
            Self::Controller(context) => context.lookup(key),
        }
    }
}
