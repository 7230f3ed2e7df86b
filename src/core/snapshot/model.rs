//! The snapshot in memory, indexed for the look-ups that the chain makes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use rolecall_iam::{Document, RoleArn};

use super::fault::SnapshotError;
use super::issuer::Issuer;
use super::naming::NamingIndex;
use super::view::Withheld;
use crate::known::Known;

/// Pod Identity associations by namespace, then by service account.
pub type Associations = HashMap<Box<str>, HashMap<Box<str>, Association>>;

/// What AWS said, and when.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// When it was read.
    pub collected_at: Option<Timestamp>,
    /// When the oldest part of it was read, where a part could not be read again.
    pub oldest_part: Option<Timestamp>,
    /// The cluster; without it neither issuer nor partition is known.
    pub cluster: Option<ClusterInfo>,
    /// Names of the installed add-ons.
    pub addons: Option<Vec<Box<str>>>,
    /// Pod Identity associations.
    pub associations: Option<Associations>,
    /// Associations of which not even the service account can be read: place and fault of each. One that is not among the
    /// others may be among these.
    pub unreadable_associations: Vec<Box<str>>,
    /// ARNs of the nodes' roles.
    pub node_roles: Option<Vec<Box<str>>>,
    /// Fargate profiles.
    pub fargate_profiles: Option<Vec<FargateProfile>>,
    /// Whether pods reach instance metadata (IMDS) from the nodes that the snapshot describes; `None` where they differ or
    /// where it is not known.
    pub pods_reach_metadata: Option<bool>,
    /// By account ID.
    pub accounts: HashMap<Box<str>, Account>,
    /// Entries that are malformed. What depends on one is unknown.
    pub faults: Vec<SnapshotError>,
    /// Set on a view: what it tells nothing about.
    pub withheld: Option<Withheld>,
    /// What [`Snapshot::roles_naming`] looks up.
    pub naming: NamingIndex,
}

/// The cluster (EKS API, `DescribeCluster`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterInfo {
    /// Its name.
    pub name: Box<str>,
    /// Its ARN.
    pub arn: Option<Box<str>>,
    /// Its OIDC issuer.
    pub issuer: Option<Issuer>,
    /// Pods have IPv6 addresses, so that the injector names the Pod Identity agent by its IPv6 address.
    pub ipv6: bool,
    /// EKS Auto Mode, whose nodes have the Pod Identity agent built in.
    pub auto_mode: bool,
}

impl ClusterInfo {
    /// Partition, region and account, from the ARN.
    pub fn location(&self) -> Option<rolecall_iam::Arn<'_>> {
        rolecall_iam::Arn::parse(self.arn.as_deref()?)
    }
}

/// A Pod Identity association (EKS API, `DescribePodIdentityAssociation`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// `a-…`
    pub id: Option<Box<str>>,
    /// The role that the pods get.
    pub role_arn: Option<Box<str>>,
    /// The role that they go on to.
    pub target_role_arn: Option<Box<str>>,
    /// What EKS sends as `sts:ExternalId` on the second hop.
    pub external_id: Option<Box<str>>,
    /// No session tags are sent.
    pub disable_session_tags: bool,
    /// The session policy: it narrows what the session of the role may do, of the target role where there is one (EKS API
    /// Reference, `CreatePodIdentityAssociation`).
    pub policy: Option<LazyDocument>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// The add-on of EKS that owns it (`ownerArn`).
    pub add_on: Option<Box<str>>,
    /// eksctl created it, as its tags tell.
    pub is_by_eksctl: bool,
    /// It exists, and its entry in the snapshot cannot be read: place and fault.
    pub fault: Option<Box<str>>,
}

impl Association {
    /// What creating one with a role would give.
    pub(crate) fn to_create(role_arn: &str) -> Self {
        Self { role_arn: Some(role_arn.into()), fault: None, ..Self::unreadable("") }
    }

    /// One that exists and cannot be read.
    pub(super) fn unreadable(fault: &str) -> Self {
        Self {
            id: None,
            role_arn: None,
            target_role_arn: None,
            external_id: None,
            disable_session_tags: false,
            policy: None,
            created_at: None,
            add_on: None,
            is_by_eksctl: false,
            fault: Some(fault.into()),
        }
    }
}

/// A Fargate profile (EKS API, `DescribeFargateProfile`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FargateProfile {
    /// Its name.
    pub name: Box<str>,
    /// A pod that matches any runs on Fargate.
    pub selectors: Vec<FargateSelector>,
}

/// A selector of a Fargate profile; `*` and `?` are wildcards in all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FargateSelector {
    /// The namespace.
    pub namespace: Box<str>,
    /// Labels, all of which must be there.
    pub labels: Vec<(Box<str>, Box<str>)>,
}

/// An account, as far as it was read.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// By name in lower case: role names are unique without regard to case (IAM User Guide, "IAM and AWS STS quotas").
    pub roles: Option<HashMap<Box<str>, Arc<Role>>>,
    /// Only roles that were named were read: of another it is not known whether it exists.
    pub only_named_roles: bool,
    /// Names in lower case of roles that were looked for and do not exist.
    pub missing_roles: HashSet<Box<str>>,
    /// When roles were last used, by name in lower case: `None` within is a role that AWS has not seen used in its tracking
    /// period (IAM API Reference, `RoleLastUsed`). It is beside the roles, since it changes without them.
    pub last_used: HashMap<Box<str>, Option<Timestamp>>,
    /// Managed policies by ARN: their default versions.
    pub policies: Option<HashMap<Box<str>, LazyDocument>>,
    /// OIDC providers by normalised address.
    pub providers: Option<HashMap<Box<str>, Provider>>,
    /// Roles that exist and whose entries cannot be read, by name in lower case: place and fault.
    pub unreadable_roles: HashMap<Box<str>, Box<str>>,
    /// Roles of which not even the name can be read: place and fault of each.
    pub nameless_roles: Vec<Box<str>>,
    /// Providers of which not even the address can be read: place and fault of each.
    pub unreadable_providers: Vec<Box<str>>,
    /// Service control policies; `None` where they were not read.
    pub service_control: Option<ControlPolicies>,
    /// Resource control policies; `None` where they were not read.
    pub resource_control: Option<ControlPolicies>,
}

impl Account {
    /// Takes note of a role whose entry cannot be read: it exists, so it is not missing.
    pub(super) fn note_unreadable_role(&mut self, name: Option<&str>, fault: &str) {
        match name {
            Some(name) => {
                self.unreadable_roles.insert(name.to_ascii_lowercase().into(), fault.into());
            }
            None => self.nameless_roles.push(fault.into()),
        }
    }

    /// Why it is not known whether there is a role of this name, where an entry that cannot be read is to blame.
    pub fn unreadable_role(&self, name: &str) -> Option<&str> {
        let named = self.unreadable_roles.get(name.to_ascii_lowercase().as_str());
        named.or_else(|| self.nameless_roles.first()).map(|fault| &**fault)
    }

    /// The organization's ID, where a policy's ARN tells it.
    pub fn organization(&self) -> Option<&str> {
        let of = |policies: &Option<ControlPolicies>| policies.as_ref()?.organization.clone();
        let known = [&self.service_control, &self.resource_control];
        let id = known.into_iter().find(|policies| of(policies).is_some())?;
        id.as_ref()?.organization.as_deref()
    }
}

/// The policies of AWS Organizations of one type that bear on an account (Organizations User Guide, "SCP evaluation", "RCP
/// evaluation").
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ControlPolicies {
    /// In the order of the snapshot.
    pub policies: Vec<ControlPolicy>,
    /// `o-…`, from the policies' ARNs.
    pub organization: Option<Box<str>>,
    /// The account is the organization's management account, on which no such policy bears.
    pub of_management_account: bool,
}

/// A policy of AWS Organizations.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlPolicy {
    /// Its name.
    pub name: Box<str>,
    /// The policy.
    pub document: LazyDocument,
    /// IDs of what it is attached to, on the way from the root to the account; `None` where that was not read.
    pub levels: Option<Vec<Box<str>>>,
}

/// A role (IAM API, `GetAccountAuthorizationDetails`, `RoleDetail`).
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its ARN.
    pub arn: Box<str>,
    /// The trust policy.
    pub trust: Option<Document>,
    /// There is a trust policy, and it cannot be read: place and fault.
    pub trust_fault: Option<Box<str>>,
    /// Tags; `None` where they were not read.
    pub tags: Option<Vec<(Box<str>, Box<str>)>>,
    /// Inline policies; `None` where they were not read.
    pub inline_policies: Option<Vec<IdentityPolicy>>,
    /// ARN of its permissions boundary; unknown where the snapshot does not tell which policy it is.
    pub boundary: Known<Box<str>>,
    /// ARNs of managed policies; `None` where they were not read.
    pub attached_policies: Option<Vec<Box<str>>>,
}

impl Role {
    /// One that exists and cannot be read.
    pub(super) fn unreadable(arn: Box<str>, fault: &str) -> Self {
        Self {
            arn,
            trust: None,
            trust_fault: Some(fault.into()),
            tags: None,
            inline_policies: None,
            boundary: Known::Unknown,
            attached_policies: None,
        }
    }
}

/// An inline policy.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityPolicy {
    /// Its name.
    pub name: Box<str>,
    /// The policy.
    pub document: LazyDocument,
}

/// A policy that is kept as the text it came in and compiled once, when it is first asked: few of thousands ever are.
#[derive(Debug, Clone)]
pub struct LazyDocument {
    text: Box<str>,
    compiled: OnceLock<Option<Document>>,
}

impl PartialEq for LazyDocument {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for LazyDocument {}

impl LazyDocument {
    /// A policy from its JSON, which may be URL-encoded.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self { text: text.into(), compiled: OnceLock::new() }
    }

    /// The policy; `None` where the text is none.
    pub fn get(&self) -> Option<&Document> {
        self.compiled.get_or_init(|| Document::parse(&self.text).ok()).as_ref()
    }
}

/// An OIDC provider (IAM API, `GetOpenIDConnectProvider`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its ARN.
    pub arn: Box<str>,
    /// Audiences that it accepts; `None` where they were not read.
    pub client_ids: Option<Vec<Box<str>>>,
}

impl Snapshot {
    /// The association of a service account.
    pub fn association(&self, namespace: &str, service_account: &str) -> Known<&Association> {
        let Some(associations) = &self.associations else {
            return Known::Unknown;
        };
        let found = associations.get(namespace).and_then(|by_account| by_account.get(service_account));
        Known::found(found, self.unreadable_associations.is_empty())
    }

    /// The role of this name in an account, whatever its case and path.
    pub fn role_by_name(&self, account: &str, name: &str) -> Known<&Role> {
        let Some((account, roles)) = self.accounts.get(account).and_then(|known| Some((known, known.roles.as_ref()?)))
        else {
            return Known::Unknown;
        };
        let name = name.to_ascii_lowercase();
        let is_absent = || {
            let may_be_unread = account.only_named_roles && !account.missing_roles.contains(name.as_str());
            account.unreadable_role(&name).is_none() && !may_be_unread
        };
        let found = roles.get(name.as_str()).map(|role| &**role);
        Known::found(found, found.is_some() || is_absent())
    }

    /// The role of exactly this ARN.
    pub fn role(&self, arn: &str) -> Option<&Role> {
        let parsed = RoleArn::parse(arn).ok()?;
        self.role_by_name(parsed.account, parsed.name).present().filter(|role| *role.arn == *arn)
    }

    /// The provider of an issuer in an account.
    pub fn provider(&self, account: &str, issuer: &Issuer) -> Known<&Provider> {
        let Some(account) = self.accounts.get(account) else {
            return Known::Unknown;
        };
        let is_complete = account.providers.is_some() && account.unreadable_providers.is_empty();
        Known::found(account.providers.as_ref().and_then(|known| known.get(issuer.as_str())), is_complete)
    }

    /// Which policies of AWS Organizations were not read, in words, for the accounts that were.
    pub fn unread_control_policies(&self) -> Option<String> {
        let lacks = |of: fn(&Account) -> bool| {
            let mut ids: Vec<&str> =
                self.accounts.iter().filter(|(_, account)| of(account)).map(|(id, _)| &**id).collect();
            ids.sort_unstable();
            ids
        };
        let scps = lacks(|account| account.service_control.is_none());
        let rcps = lacks(|account| account.resource_control.is_none());
        let of = |ids: &[&str]| match ids.len() == self.accounts.len() {
            true => String::new(),
            false => format!(" for account {}", ids.join(", ")),
        };
        match (scps.is_empty(), rcps.is_empty()) {
            (true, true) => None,
            (false, true) => Some(format!("SCP not read{}", of(&scps))),
            (true, false) => Some(format!("RCP not read{}", of(&rcps))),
            (false, false) if scps == rcps => Some(format!("SCP and RCP not read{}", of(&scps))),
            (false, false) => Some(format!("SCP not read{}, RCP not read{}", of(&scps), of(&rcps))),
        }
    }

    /// The nodes' role, where there is just one.
    pub fn node_role(&self) -> Option<&str> {
        match self.node_roles.as_deref()? {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The Fargate profile that a pod of this namespace with these labels would run on.
    pub fn fargate_profile<'l>(
        &self,
        namespace: &str,
        label: impl Fn(&str) -> Option<&'l str>,
    ) -> Option<&FargateProfile> {
        let fits = |selector: &FargateSelector| {
            rolecall_iam::wildcard_match(&selector.namespace, namespace)
                && selector
                    .labels
                    .iter()
                    .all(|(key, value)| label(key).is_some_and(|found| rolecall_iam::wildcard_match(value, found)))
        };
        self.fargate_profiles.as_ref()?.iter().find(|profile| profile.selectors.iter().any(fits))
    }
}
