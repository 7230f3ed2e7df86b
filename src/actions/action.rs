//! What the reference says of an action.

use std::fmt;

use crate::arn::overlap;
use crate::index::{Entry, Section, Use, index};
use crate::pattern::{Pattern, has_wildcard};

/// One action of one service.
#[derive(Clone, Copy)]
pub struct Action {
    section: &'static Section,
    entry: &'static Entry,
}

/// The access level of an action (IAM User Guide, "Access levels in policy summaries").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessLevel {
    /// Sees that resources exist, not what is in them.
    List,
    /// Reads what is in a resource.
    Read,
    /// Creates, changes or deletes resources.
    Write,
    /// Changes nothing but tags.
    Tagging,
    /// Grants or changes permissions.
    PermissionsManagement,
}

impl fmt::Display for AccessLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "List",
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Tagging => "Tagging",
            Self::PermissionsManagement => "Permissions management",
        })
    }
}

/// A resource type that an action can be allowed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceUse {
    /// As the service's table of resource types has it: `table`.
    pub name: &'static str,
    /// Marked with a star in the reference: a statement that allows the action has to name a resource of this type.
    pub required: bool,
    patterns: &'static [Box<str>],
    keys: [&'static [Box<str>]; 2],
}

impl ResourceUse {
    fn new(of: &Use) -> Self {
        Self { name: of.kind.name, required: of.required, patterns: &of.kind.patterns, keys: of.keys }
    }

    /// `arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}`; most types have one, none has none.
    pub fn arn_patterns(&self) -> impl ExactSizeIterator<Item = &'static str> + use<> {
        self.patterns.iter().map(|pattern| &**pattern)
    }

    /// The condition keys that go with this resource type only.
    pub fn condition_keys(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.keys.into_iter().flatten().map(|key| &**key)
    }

    /// Whether the ARN, which may have wildcards and policy variables, can be that of such a resource.
    pub fn fits(&self, arn: &str) -> bool {
        // The name of a bucket has no slash (Amazon S3 User Guide, "Bucket naming rules"); other names may have one.
        let is_object = |pattern: &str| pattern.ends_with(":s3:::${BucketName}") && arn.contains('/');
        self.patterns.iter().any(|pattern| !is_object(pattern) && overlap(pattern, arn))
    }
}

impl Action {
    /// The service's prefix: `dynamodb`.
    pub fn service(&self) -> &'static str {
        self.section.prefix
    }

    /// In AWS's spelling: `GetItem`.
    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    /// In AWS's spelling: `dynamodb:GetItem`.
    pub fn full_name(&self) -> String {
        self.to_string()
    }

    /// The access level.
    pub fn access_level(&self) -> AccessLevel {
        match self.section.head(self.entry).level {
            'L' => AccessLevel::List,
            'R' => AccessLevel::Read,
            'T' => AccessLevel::Tagging,
            'P' => AccessLevel::PermissionsManagement,
            _ => AccessLevel::Write,
        }
    }

    /// The resource types, each once. Several required ones are needed together; where none is required, any one will do.
    pub fn resource_types(&self) -> impl ExactSizeIterator<Item = ResourceUse> + use<> {
        let uses = self.section.head(self.entry).uses;
        uses.into_iter().map(|one| ResourceUse::new(&one))
    }

    /// The action knows no resources: only `"Resource": "*"` allows it.
    pub fn takes_no_resource(&self) -> bool {
        self.resource_types().len() == 0
    }

    /// The condition keys of the action, whatever the resource, and those of its resource types; sorted, each once. Global
    /// keys (`aws:SourceIp` and the like), which go with every action, are not among them.
    pub fn condition_keys(&self) -> impl ExactSizeIterator<Item = &'static str> + use<> {
        let head = self.section.head(self.entry);
        let own = head.keys.iter().map(|key| &**key);
        let mut keys: Vec<&'static str> = own.collect();
        keys.extend(head.uses.iter().flat_map(|one| ResourceUse::new(one).condition_keys()));
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter()
    }

    /// Whether a statement with this `Resource` can ever be about this action. The text may have wildcards and policy
    /// variables; then it is asked whether some ARN would do. In doubt the answer is yes.
    ///
    /// For an action that knows no resources, only stars will do.
    pub fn fits_resource(&self, arn: &str) -> bool {
        if !arn.is_empty() && arn.bytes().all(|b| b == b'*') {
            return true;
        }
        self.resource_types().any(|kind| kind.fits(arn))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service(), self.name())
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Action({self})")
    }
}

impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        (self.service(), self.name()) == (other.service(), other.name())
    }
}

impl Eq for Action {}

/// A service, or what has a prefix of its own in policies.
#[derive(Clone, Copy)]
pub struct Service(&'static Section);

impl Service {
    /// What stands before the colon: `logs`.
    pub fn prefix(&self) -> &'static str {
        self.0.prefix
    }

    /// `Amazon CloudWatch Logs`
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// By name.
    pub fn actions(&self) -> impl ExactSizeIterator<Item = Action> + use<> {
        let section = self.0;
        section.entries().iter().map(move |entry| Action { section, entry })
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.prefix())
    }
}

/// The action of this name, `SERVICE:NAME`, without wildcards; case does not count, as in policies.
pub fn find(action: &str) -> Option<Action> {
    let (prefix, name) = action.split_once(':')?;
    let section = index().section(prefix)?;
    Some(Action { section, entry: section.find(name)? })
}

/// The actions that a policy's pattern means: `dynamodb:Get*`, `s3:*`, `*`. By service, then name.
pub fn matching(pattern: &str) -> impl Iterator<Item = Action> + use<> {
    let sections = match pattern.split_once(':') {
        Some((prefix, _)) if !has_wildcard(prefix) => {
            index().section(prefix).map_or(&[][..], std::slice::from_ref).iter()
        }
        None if !has_wildcard(pattern) => [].iter(),
        _ => index().sections().iter(),
    };
    let pattern = Pattern::new(pattern);
    let actions = sections.flat_map(|section| Service(section).actions());
    actions.filter(move |action| pattern.matches(action.service(), action.name()))
}

/// Whether an action, or a pattern of actions, means at least one action.
pub fn is_known(pattern: &str) -> bool {
    if has_wildcard(pattern) { matching(pattern).next().is_some() } else { find(pattern).is_some() }
}

/// The service with this prefix; case does not count.
pub fn service(prefix: &str) -> Option<Service> {
    index().section(prefix).map(Service)
}

/// All services, by prefix.
pub fn services() -> impl ExactSizeIterator<Item = Service> {
    index().sections().iter().map(Service)
}

/// The package that the data comes from, and its version.
pub fn source() -> &'static str {
    index().source
}
