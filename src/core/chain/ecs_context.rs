//! The condition keys of the request by which ECS assumes the role of a task (Amazon ECS Developer Guide, "Amazon ECS task IAM
//! role"; IAM User Guide, "AWS global condition context keys").

use rolecall_iam::{Context, Lookup};

use super::keys;
use crate::effort::Effort;
use crate::snapshot::Role;

/// Service principal of ECS tasks.
pub(super) const SERVICE: &str = "ecs-tasks.amazonaws.com";

/// What is known of the request.
pub(super) struct EcsContext<'a> {
    /// The role that is assumed.
    pub(super) role: &'a Role,
    /// Its account, which is that of the task: ECS passes no role of another account.
    pub(super) account: &'a str,
    /// What stands for the ARN that ECS sends; only its beginning is documented.
    pub(super) source_arn: Option<Box<str>>,
    /// ID of the account's organization, where it is known.
    pub(super) organization: Option<&'a str>,
    /// Also use what no document says.
    pub(super) presume: bool,
    pub(super) effort: &'a Effort,
}

impl Context for EcsContext<'_> {
    fn spend(&self, patterns: usize) -> bool {
        self.effort.spend(patterns)
    }

    fn lookup(&self, key: &str) -> Lookup<'_> {
        match key {
            "aws:sourceaccount" | "aws:resourceaccount" => Lookup::One(self.account),
            "aws:sourcearn" => self.source_arn.as_deref().map_or(Lookup::Present, Lookup::One),
            "aws:securetransport" | "aws:principalisawsservice" => Lookup::One("true"),
            "aws:principalservicename" => Lookup::One(SERVICE),
            // The service may have further names, of its region.
            "aws:principalservicenameslist" => Lookup::Present,
            // Of IAM users only.
            "aws:username" => Lookup::Absent,
            _ => {
                if let Some(tag) = keys::resource_tag(self.role, key) {
                    return tag;
                }
                let is_absent = keys::of_another_token(key)
                    || keys::of_a_session(key)
                    || keys::of_a_forwarded_call(key)
                    || (keys::of_another_service(key) && !key.starts_with("ecs:"));
                match (is_absent, self.presume) {
                    (true, _) => Lookup::Absent,
                    (false, true) => self.presumed(key),
                    (false, false) => Lookup::Unknown,
                }
            }
        }
    }
}

impl EcsContext<'_> {
    /// What follows from the purpose of the keys, and no document states of ECS.
    fn presumed(&self, key: &str) -> Lookup<'_> {
        match key {
            "aws:viaawsservice" => Lookup::One("false"),
            "aws:sourceorgid" => self.organization.map_or(Lookup::Unknown, Lookup::One),
            "aws:principalorgid"
            | "aws:principalorgpaths"
            | "aws:principalaccount"
            | "aws:principalarn"
            | "aws:sourceidentity"
            | "aws:federatedprovider"
            | "aws:tagkeys"
            | "sts:transitivetagkeys"
            | "sts:externalid" => Lookup::Absent,
            _ if key.starts_with("aws:principaltag/") || key.starts_with("aws:requesttag/") => Lookup::Absent,
            _ => Lookup::Unknown,
        }
    }
}
