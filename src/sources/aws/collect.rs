//! Collecting: which parts there are, in which order, and what becomes of one that fails.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use rolecall_core::snapshot::{Issuer, Snapshot};
use rolecall_iam::RoleArn;
use serde_json::{Value, json};

use super::clients::{Aws, Reader};
use super::collected::{AccountParts, Collected, Part, readable, readable_in_full, without_unreadable};
use super::error::AwsError;
use super::listing::{self, Listing};
use super::observe::Progress;
use super::roles::Patience;
use super::settings::Collect;

/// What a collection is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// ARNs of roles that service accounts and containers name. What is no role's ARN is passed over.
    pub roles: BTreeSet<String>,
    /// Whether roles' policies are needed, besides what the settings say.
    pub policies: bool,
}

impl Aws {
    /// Collects everything. Nothing is an error as such: a part that fails keeps what `previous` had, and says why.
    /// Without the cluster nothing else is read.
    pub async fn collect(&self, wanted: &Wanted, previous: Option<&Collected>, progress: &dyn Progress) -> Collected {
        let now = Timestamp::now();
        // Whole seconds, as the snapshot has them.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        progress.begin("the cluster", 1);
        let cluster = self.describe_cluster().await;
        progress.step();
        let own_account = match &cluster {
            Ok(cluster) => self.learn_account(cluster).await.map(str::to_owned),
            Err(error) => Err(error.clone()),
        };
        let (cluster, own_account) = match (cluster, own_account) {
            (Ok(cluster), Ok(account)) => (cluster, account),
            (Err(error), _) | (_, Err(error)) => return without_cluster(error, previous, now),
        };
        let (addons, associations, node_roles, fargate_profiles) = tokio::join!(
            self.read_addons(progress),
            self.read_associations(progress),
            self.read_node_roles(&cluster, progress),
            self.read_fargate_profiles(progress),
        );
        let mut collected = Collected {
            collected_at: Some(now),
            addons: list("addons", addons, now, previous.map(|p| &p.addons)),
            associations: list(
                "podIdentityAssociations",
                associations.map(newest_of_each),
                now,
                previous.map(|p| &p.associations),
            ),
            node_roles: list("nodeRoles", node_roles, now, previous.map(|p| &p.node_roles)),
            fargate_profiles: list("fargateProfiles", fargate_profiles, now, previous.map(|p| &p.fargate_profiles)),
            cluster: Part::read(Ok(cluster), now, None),
            ..Collected::default()
        };
        let mut by_account = named(&collected, wanted);
        by_account.entry(own_account.clone()).or_default();
        if self.settings.collect == Collect::Account {
            for account in &self.settings.accounts {
                by_account.entry(account.id.clone()).or_default();
            }
        }
        let issuer = collected.cluster.value.as_ref().and_then(issuer);
        let alone = json!({"cluster": collected.cluster.value}).to_string();
        // `describe_cluster` has seen that it can be read.
        let cluster = Snapshot::parse(&alone).unwrap_or_default();
        for (account, roles) in by_account {
            let Some(reader) = self.reader(&account, &own_account) else {
                collected.unread_accounts.insert(account, roles.len());
                continue;
            };
            let scope = Scope {
                reader,
                cluster: &cluster,
                account: &account,
                previous: previous.and_then(|previous| previous.accounts.get(&account)),
                concurrency: self.settings.concurrency,
                policies: wanted.policies || self.settings.policies,
                now,
                progress,
            };
            let (parts, malformed) = scope.collect(self.settings.collect, roles, issuer.as_ref()).await;
            collected.accounts.insert(account, parts);
            collected.malformed.extend(malformed);
        }
        collected
    }
}

fn without_cluster(error: AwsError, previous: Option<&Collected>, now: Timestamp) -> Collected {
    let mut kept = previous.cloned().unwrap_or_default();
    kept.collected_at = Some(now);
    kept.cluster = Part::read(Err(error), now, previous.map(|previous| &previous.cluster));
    kept
}

fn issuer(cluster: &Value) -> Option<Issuer> {
    cluster.pointer("/identity/oidc/issuer").and_then(Value::as_str).filter(|url| !url.is_empty()).map(Issuer::new)
}

/// A part of the cluster; one that the snapshot's reader would refuse is a failed one.
fn list(
    name: &str,
    read: Result<Vec<Value>, AwsError>,
    now: Timestamp,
    previous: Option<&Part<Vec<Value>>>,
) -> Part<Vec<Value>> {
    let read = read.and_then(|list| match readable(&json!({name: list})) {
        Ok(()) => Ok(list),
        Err(said) => Err(AwsError::malformed("eks", name, said)),
    });
    Part::read(read, now, previous)
}

/// An association that was deleted and created again while they were listed comes twice.
fn newest_of_each(associations: Vec<Value>) -> Vec<Value> {
    let text = |association: &Value, field: &str| {
        association.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut newest: BTreeMap<(String, String), Value> = BTreeMap::new();
    for association in associations {
        let key = (text(&association, "namespace"), text(&association, "serviceAccount"));
        match newest.get(&key) {
            Some(other) if text(other, "createdAt") > text(&association, "createdAt") => {}
            _ => {
                newest.insert(key, association);
            }
        }
    }
    newest.into_values().collect()
}

/// The roles that service accounts, workloads or associations name, by account.
fn named(collected: &Collected, wanted: &Wanted) -> BTreeMap<String, BTreeSet<String>> {
    let associations = collected.associations.value.iter().flatten();
    let of_associations = associations
        .flat_map(|association| ["roleArn", "targetRoleArn"].map(|field| association.get(field)))
        .filter_map(|arn| arn.and_then(Value::as_str));
    let of_nodes = collected.node_roles.value.iter().flatten().filter_map(Value::as_str);
    let mut by_account: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for arn in wanted.roles.iter().map(String::as_str).chain(of_associations).chain(of_nodes) {
        if let Ok(parsed) = RoleArn::parse(arn)
            && rolecall_iam::is_account_id(parsed.account)
        {
            by_account.entry(parsed.account.to_owned()).or_default().insert(arn.to_owned());
        }
    }
    by_account
}

/// One account's collection.
struct Scope<'a> {
    reader: &'a Reader,
    /// A snapshot of the cluster alone.
    cluster: &'a Snapshot,
    account: &'a str,
    previous: Option<&'a AccountParts>,
    concurrency: usize,
    policies: bool,
    now: Timestamp,
    progress: &'a dyn Progress,
}

type Malformed = Vec<(String, String)>;

impl Scope<'_> {
    async fn collect(
        &self,
        collect: Collect,
        roles: BTreeSet<String>,
        issuer: Option<&Issuer>,
    ) -> (AccountParts, Malformed) {
        self.progress.begin("OIDC providers", 1);
        let providers = self.reader.providers(issuer).await.and_then(|list| {
            match readable(&json!({"accounts": {self.account: {"oidcProviders": list}}})) {
                Ok(()) => Ok(list),
                Err(said) => Err(AwsError::malformed("iam:GetOpenIDConnectProvider", self.account, said)),
            }
        });
        self.progress.step();
        let (mut parts, malformed) = match collect {
            Collect::Named => self.named(roles).await,
            Collect::Account => self.everything().await,
        };
        parts.oidc_providers = Part::read(providers, self.now, self.previous.map(|previous| &previous.oidc_providers));
        (parts, malformed)
    }

    async fn named(&self, arns: BTreeSet<String>) -> (AccountParts, Malformed) {
        let mut malformed = Malformed::new();
        // Not allowed, or not answered: roles are read one by one, and what names a service account is not known.
        let listing = self.reader.listing().await.ok();
        let naming = listing.as_ref().map(|listing| listing::naming(self.cluster, self.account, listing, &arns));
        let (parts, arns) = self.unchanged(arns, listing.as_ref());
        let mut parts = AccountParts { naming, ..parts };
        let read =
            self.each("roles", arns, |arn| async move { self.reader.role(&arn, self.account, self.policies).await });
        for (arn, role) in read.await {
            let previous = self.previous.and_then(|previous| previous.roles.get(&arn));
            let part = match role {
                Ok(Some(role)) => match self.readable_role(&arn, role, &mut malformed) {
                    Some(role) => {
                        parts.whole.insert(arn.clone(), self.now);
                        Part::read(Ok(Some(role)), self.now, None)
                    }
                    // It is there, and wholly unreadable: unknown, not missing.
                    None => Part::default(),
                },
                role => Part::read(role, self.now, previous),
            };
            parts.roles.insert(arn, part);
        }
        if self.policies {
            // Of a role that is as it was, its policies are so too until it is read whole again.
            let kept = self.previous.map(|previous| previous.policies.clone()).unwrap_or_default();
            let read_whole = |arn: &String| parts.whole.get(arn) == Some(&self.now);
            let of_unchanged = parts.roles.iter().filter(|(arn, _)| !read_whole(arn));
            let of_unchanged = of_unchanged.filter_map(|(_, part)| part.value.as_ref()?.as_ref()).flat_map(policies_of);
            for arn in of_unchanged {
                if let Some(part) = kept.get(&arn) {
                    parts.policies.insert(arn, part.clone());
                }
            }
            let wanted = parts.roles.iter().filter(|(arn, _)| read_whole(arn));
            let wanted = wanted.filter_map(|(_, part)| part.value.as_ref()?.as_ref()).flat_map(policies_of);
            let read =
                self.each("managed policies", wanted.collect(), |arn| async move { self.reader.policy(&arn).await });
            for (arn, policy) in read.await {
                let policy = policy.map(|policy| self.readable_policy(&arn, policy?, &mut malformed));
                let previous = self.previous.and_then(|previous| previous.policies.get(&arn));
                parts.policies.insert(arn, Part::read(policy, self.now, previous));
            }
        }
        (parts, malformed)
    }

    /// The roles that are as they were, or are gone, as far as a listing tells for less than reading each would cost; and
    /// those that are to be read.
    fn unchanged(&self, arns: BTreeSet<String>, listing: Option<&Listing>) -> (AccountParts, BTreeSet<String>) {
        let mut parts = AccountParts::default();
        let previous = self.previous.filter(|_| listing::pays(&arns, self.previous));
        let Some((previous, listing)) = previous.zip(listing) else {
            return (parts, arns);
        };
        let sorted = listing::sort(arns, previous, listing, self.policies);
        for arn in sorted.same {
            let role = previous.roles.get(&arn).and_then(|part| part.value.clone()).flatten();
            parts.whole.extend(previous.whole.get(&arn).map(|at| (arn.clone(), *at)));
            parts.roles.insert(arn, Part::read(Ok(role), self.now, None));
        }
        for arn in sorted.missing {
            parts.roles.insert(arn, Part::read(Ok(None), self.now, None));
        }
        (parts, sorted.read)
    }

    async fn everything(&self) -> (AccountParts, Malformed) {
        let mut malformed = Malformed::new();
        let everything = match self.reader.everything(self.progress).await {
            Ok(everything) => everything,
            Err(error) => {
                let mut kept = self.previous.cloned().unwrap_or_default();
                let before = kept.listed.take();
                kept.listed = Some(Part::read(Err(error), self.now, before.as_ref()));
                return (kept, malformed);
            }
        };
        let mut parts = AccountParts { listed: Some(Part::read(Ok(()), self.now, None)), ..AccountParts::default() };
        for (arn, role) in everything.roles {
            // One that is wholly unreadable exists: the snapshot's reader must not take it for missing.
            let role = self.readable_role(&arn, role.clone(), &mut malformed).unwrap_or(role);
            parts.roles.insert(arn, Part::read(Ok(Some(role)), self.now, None));
        }
        for (arn, policy) in everything.policies {
            let policy = self.readable_policy(&arn, policy, &mut malformed);
            parts.policies.insert(arn, Part::read(Ok(policy), self.now, None));
        }
        (parts, malformed)
    }

    fn readable_role(&self, arn: &str, role: Value, malformed: &mut Malformed) -> Option<Value> {
        let (role, fault) = without_unreadable(self.account, arn, role);
        malformed.extend(fault);
        role
    }

    fn readable_policy(&self, arn: &str, policy: Value, malformed: &mut Malformed) -> Option<Value> {
        let alone = json!({"accounts": {self.account: {"policies": [policy]}}});
        match readable_in_full(&alone) {
            Ok(()) => Some(policy),
            Err(fault) => {
                malformed.push((format!("accounts.{}.policies.{arn}", self.account), fault));
                None
            }
        }
    }

    /// Reads things side by side; gives up on the rest where going on would only cost calls.
    async fn each<F>(
        &self,
        part: &str,
        arns: BTreeSet<String>,
        read: impl Fn(String) -> F,
    ) -> Vec<(String, Result<Option<Value>, AwsError>)>
    where
        F: Future<Output = Result<Option<Value>, AwsError>>,
    {
        self.progress.begin(part, arns.len());
        let patience = Patience::default();
        let (patience, read) = (&patience, &read);
        stream::iter(arns)
            .map(|arn| async move {
                let result = match patience.lost() {
                    Some(error) => Err(AwsError { subject: arn.clone(), ..error }),
                    None => read(arn.clone()).await,
                };
                if let Err(error) = &result {
                    patience.note(error);
                }
                self.progress.step();
                (arn, result)
            })
            .buffer_unordered(self.concurrency)
            .collect()
            .await
    }
}

/// Managed policies that decide what a role may do: attached ones and its boundary.
fn policies_of(role: &Value) -> Vec<String> {
    let attached = role.get("AttachedManagedPolicies").and_then(Value::as_array).into_iter().flatten();
    let boundary = role.pointer("/PermissionsBoundary/PermissionsBoundaryArn");
    let arns = attached.filter_map(|policy| policy.get("PolicyArn")).chain(boundary);
    arns.filter_map(Value::as_str).map(str::to_owned).collect()
}
