//! What was collected, part by part, each with its age; and the snapshot that it makes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rolecall_core::Known;
use rolecall_core::snapshot::{SNAPSHOT_VERSION, Snapshot};
use serde_json::{Map, Value, json};

use super::error::AwsError;

/// A part, which may have failed: then it keeps what was last known, with that reading's time.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<T> {
    /// What was read last.
    pub value: Option<T>,
    /// When that was.
    pub read_at: Option<Timestamp>,
    /// Why the last reading failed.
    pub error: Option<AwsError>,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self { value: None, read_at: None, error: None }
    }
}

impl<T: Clone> Part<T> {
    /// From a reading; where it failed, the previous value stays.
    pub fn read(result: Result<T, AwsError>, now: Timestamp, previous: Option<&Self>) -> Self {
        match result {
            Ok(value) => Self { value: Some(value), read_at: Some(now), error: None },
            Err(error) => Self {
                value: previous.and_then(|part| part.value.clone()),
                read_at: previous.and_then(|part| part.read_at),
                error: Some(error),
            },
        }
    }
}

impl<T> Part<Option<T>> {
    /// What is known of a thing that may not exist.
    pub fn known(&self) -> Known<&T> {
        match &self.value {
            Some(Some(value)) => Known::Present(value),
            Some(None) => Known::Absent,
            None => Known::Unknown,
        }
    }
}

/// Everything that was collected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collected {
    /// When this collection began; each of its parts is at least as new, unless it says otherwise.
    pub collected_at: Option<Timestamp>,
    /// The cluster.
    pub cluster: Part<Value>,
    /// Its add-ons.
    pub addons: Part<Vec<Value>>,
    /// Its Pod Identity associations.
    pub associations: Part<Vec<Value>>,
    /// ARNs of its nodes' roles.
    pub node_roles: Part<Vec<Value>>,
    /// Its Fargate profiles.
    pub fargate_profiles: Part<Vec<Value>>,
    /// IAM, by account ID.
    pub accounts: BTreeMap<String, AccountParts>,
    /// Accounts that are not collected, with the number of roles that are named there.
    pub unread_accounts: BTreeMap<String, usize>,
    /// Documents that AWS sent and that cannot be read: where, and why. They are left out.
    pub malformed: Vec<(String, String)>,
}

/// What was collected of an account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountParts {
    /// By the ARN that was asked for. One that was read and has none inside is known not to exist.
    pub roles: BTreeMap<String, Part<Option<Value>>>,
    /// `collect: account` only: the listing of all roles. Where it has a value, a role that is not in `roles` does not exist.
    pub listed: Option<Part<()>>,
    /// When each role was last read with all that belongs to it, by the same ARNs. In between a listing may have told that
    /// its trust policy is as it was.
    pub whole: BTreeMap<String, Timestamp>,
    /// `collect: named` only: roles that nothing names, and whose trust policies name a service account of the cluster, by
    /// ARN, as a listing has them; `None` where none could be had.
    pub naming: Option<BTreeMap<String, Value>>,
    /// Managed policies by ARN; likewise.
    pub policies: BTreeMap<String, Part<Option<Value>>>,
    /// OIDC providers.
    pub oidc_providers: Part<Vec<Value>>,
}

impl Collected {
    /// The snapshot, as docs/snapshot.md has it. It always parses: what the reader would refuse was left out before.
    pub fn document(&self) -> Value {
        let mut document = Map::new();
        let mut read_at = Map::new();
        let mut unread = Vec::new();
        document.insert("schemaVersion".to_owned(), json!(SNAPSHOT_VERSION));
        if let Some(time) = self.collected_at {
            document.insert("collectedAt".to_owned(), json!(rfc3339(time)));
        }
        let mut ages = Ages { collected_at: self.collected_at, unread: &mut unread };
        let mut part = |name: &str, value: Option<Value>, age: Option<Value>| {
            document.extend(value.map(|value| (name.to_owned(), value)));
            read_at.extend(age.map(|age| (name.to_owned(), age)));
        };
        part("cluster", self.cluster.value.clone(), ages.of(&self.cluster, "cluster"));
        for (name, list) in [
            ("addons", &self.addons),
            ("podIdentityAssociations", &self.associations),
            ("nodeRoles", &self.node_roles),
            ("fargateProfiles", &self.fargate_profiles),
        ] {
            part(name, list.value.clone().map(Value::Array), ages.of(list, name));
        }
        let (accounts, account_ages): (Map<_, _>, Vec<_>) = {
            let mut documents = Map::new();
            let mut all_ages = Vec::new();
            for (id, account) in &self.accounts {
                let (document, age) = account.document(id, &mut ages);
                documents.insert(id.clone(), document);
                all_ages.extend(age.map(|age| (id.clone(), age)));
            }
            (documents, all_ages)
        };
        document.insert("accounts".to_owned(), Value::Object(accounts));
        if !account_ages.is_empty() {
            read_at.insert("accounts".to_owned(), Value::Object(account_ages.into_iter().collect()));
        }
        if !read_at.is_empty() {
            document.insert("readAt".to_owned(), Value::Object(read_at));
        }
        unread.extend(self.malformed.iter().map(|(part, error)| json!({"part": part, "error": error})));
        if !unread.is_empty() {
            document.insert("unread".to_owned(), Value::Array(unread));
        }
        Value::Object(document)
    }

    /// Every failure, with the place of what it concerns.
    pub fn failures(&self) -> Vec<(String, String)> {
        Self::failures_in(&self.document())
    }

    /// The same, of a document that was made already.
    pub fn failures_in(document: &Value) -> Vec<(String, String)> {
        let unread = document.get("unread").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let text = |entry: &Value, field| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        unread.iter().map(|entry| (text(entry, "part"), text(entry, "error"))).collect()
    }
}

/// Notes the ages of parts that are older than the collection, and the failures.
struct Ages<'a> {
    collected_at: Option<Timestamp>,
    unread: &'a mut Vec<Value>,
}

impl Ages<'_> {
    fn of<T>(&mut self, part: &Part<T>, place: &str) -> Option<Value> {
        if let Some(error) = &part.error {
            self.unread.push(json!({"part": place, "error": error.to_string()}));
        }
        let time = part.read_at.filter(|_| part.value.is_some() && part.read_at != self.collected_at)?;
        Some(json!(rfc3339(time)))
    }
}

impl AccountParts {
    fn document(&self, id: &str, ages: &mut Ages<'_>) -> (Value, Option<Value>) {
        let mut role_ages = Map::new();
        let mut missing = Vec::new();
        // By the role's own ARN: two spellings may have led to one role.
        let mut roles = BTreeMap::new();
        for (asked, part) in &self.roles {
            let age = ages.of(part, &format!("accounts.{id}.roles.{asked}"));
            match part.known() {
                Known::Present(role) => {
                    let arn = role.get("Arn").and_then(Value::as_str).unwrap_or(asked);
                    role_ages.extend(age.map(|age| (arn.to_owned(), age)));
                    roles.insert(arn.to_owned(), role.clone());
                }
                Known::Absent => missing.push(json!(asked)),
                Known::Unknown => {}
            }
        }
        for (arn, role) in self.naming.iter().flatten() {
            roles.entry(arn.clone()).or_insert_with(|| role.clone());
        }
        let all = self.listed.as_ref().is_some_and(|listed| {
            ages.of(listed, &format!("accounts.{id}.roles"));
            listed.value.is_some()
        });
        let mut account = Map::new();
        let unknown = self.listed.is_some() && !all && roles.is_empty();
        if !unknown {
            if !all {
                account.insert("rolesRead".to_owned(), json!("named"));
                account.insert("missingRoles".to_owned(), Value::Array(missing));
            }
            account.insert("roles".to_owned(), roles.into_values().collect());
        }
        let policies: Vec<Value> = self
            .policies
            .iter()
            .filter_map(|(arn, part)| {
                ages.of(part, &format!("accounts.{id}.policies.{arn}"));
                part.value.clone().flatten()
            })
            .collect();
        if !policies.is_empty() || all {
            account.insert("policies".to_owned(), Value::Array(policies));
        }
        let providers_age = ages.of(&self.oidc_providers, &format!("accounts.{id}.oidcProviders"));
        account.extend(self.oidc_providers.value.clone().map(|list| ("oidcProviders".to_owned(), Value::Array(list))));
        let mut age = Map::new();
        if !role_ages.is_empty() {
            age.insert("roles".to_owned(), Value::Object(role_ages));
        }
        age.extend(providers_age.map(|time| ("oidcProviders".to_owned(), time)));
        (Value::Object(account), (!age.is_empty()).then_some(Value::Object(age)))
    }
}

fn rfc3339(time: Timestamp) -> String {
    // Whole seconds are what the format's examples have.
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// Whether the snapshot's reader takes a part; else what it says. Single entries that it cannot read it reports itself.
pub(super) fn readable(part: &Value) -> Result<(), String> {
    Snapshot::parse(&part.to_string()).map(|_| ()).map_err(|error| error.to_string())
}

/// The same where every entry counts.
pub(super) fn readable_in_full(part: &Value) -> Result<(), String> {
    let snapshot = Snapshot::parse(&part.to_string()).map_err(|error| error.to_string())?;
    snapshot.faults.first().map_or(Ok(()), |fault| Err(fault.to_string()))
}

/// Leaves out of a role what the reader would refuse, so that one broken document does not cost all the others: the
/// role stays, and what stood there is unknown. Gives the place and the fault of what went.
pub(super) fn without_unreadable(account: &str, arn: &str, role: Value) -> (Option<Value>, Option<(String, String)>) {
    let fault_of = |role: &Value| readable_in_full(&json!({"accounts": {account: {"roles": [role]}}})).err();
    let Some(fault) = fault_of(&role) else {
        return (Some(role), None);
    };
    let mut kept = role;
    for field in ["AssumeRolePolicyDocument", "RolePolicyList", "AttachedManagedPolicies", "Tags"] {
        let Some(taken) = kept.as_object_mut().and_then(|fields| fields.remove(field)) else { continue };
        match fault_of(&kept) {
            None => return (Some(kept), Some((format!("accounts.{account}.roles.{arn}.{field}"), fault))),
            // This one was not the culprit, or not alone: it is put back unless the fault has moved on.
            Some(other) if other == fault => {
                kept.as_object_mut().and_then(|fields| fields.insert(field.to_owned(), taken));
            }
            Some(_) => {}
        }
    }
    (None, Some((format!("accounts.{account}.roles.{arn}"), fault)))
}

#[cfg(test)]
mod tests {
    use super::super::error::Failure;
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:role/carts";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_failed_part_keeps_its_value_and_its_age() {
        let error = AwsError::malformed("iam:GetRole", ARN, "gone");
        let before = Part::read(Ok(7), at(10), None);
        let after = Part::read(Err(error.clone()), at(20), Some(&before));
        assert_eq!(after, Part { value: Some(7), read_at: Some(at(10)), error: Some(error) });
    }

    #[test]
    fn the_document_tells_missing_old_and_unread() {
        let role = json!({"Arn": "arn:aws:iam::111122223333:role/path/carts"});
        let error = AwsError { kind: Failure::TimedOut, ..AwsError::malformed("iam:GetRole", "b", "") };
        let old = Part::read(Ok(Some(json!({"Arn": "arn:aws:iam::111122223333:role/b"}))), at(5), None);
        let mut account = AccountParts::default();
        account.roles.insert(ARN.to_owned(), Part::read(Ok(Some(role)), at(60), None));
        account.roles.insert("arn:aws:iam::111122223333:role/a".to_owned(), Part::read(Ok(None), at(60), None));
        account.roles.insert("arn:aws:iam::111122223333:role/b".to_owned(), Part::read(Err(error), at(60), Some(&old)));
        let mut collected = Collected { collected_at: Some(at(60)), ..Collected::default() };
        collected.accounts.insert("111122223333".to_owned(), account);
        let document = collected.document();
        assert_eq!(document["accounts"]["111122223333"]["rolesRead"], "named");
        assert_eq!(
            document["accounts"]["111122223333"]["missingRoles"],
            json!(["arn:aws:iam::111122223333:role/a"]),
            "what stands under another path is not missing: its ARN tells"
        );
        assert_eq!(
            document["readAt"],
            json!({"accounts": {"111122223333": {"roles": {"arn:aws:iam::111122223333:role/b": "1970-01-01T00:00:05Z"}}}})
        );
        assert_eq!(document["unread"][0]["part"], "accounts.111122223333.roles.arn:aws:iam::111122223333:role/b");
        Snapshot::parse(&document.to_string()).unwrap();
    }

    #[test]
    fn a_broken_document_costs_only_itself() {
        let role = json!({"Arn": ARN, "AssumeRolePolicyDocument": "%7B", "Tags": []});
        let (kept, fault) = without_unreadable("111122223333", ARN, role);
        assert_eq!(kept, Some(json!({"Arn": ARN, "Tags": []})));
        assert!(fault.unwrap().0.ends_with("carts.AssumeRolePolicyDocument"));
        let (kept, fault) = without_unreadable("111122223333", "x", json!({"Arn": "x"}));
        assert_eq!(kept, None);
        assert!(fault.is_some());
    }
}
