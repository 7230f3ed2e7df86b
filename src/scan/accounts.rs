//! The service accounts of a cluster: what the judgement needs of each, and when it was given its role.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use rolecall_core::cluster::{Cluster, Conventions, ServiceAccount};
use rolecall_core::judge::{Circumstances, ServiceAccountChange, judge_service_account};
use rolecall_core::workload::{Metadata, Object};
use rolecall_core::world::World;

use super::item::{Item, kept};
use super::owners::Owner;
use super::tally::Tally;

/// All that were read.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    list: Vec<Account>,
    annotated: HashMap<Box<str>, HashMap<Box<str>, Timestamp>>,
}

#[derive(Debug)]
struct Account {
    namespace: Box<str>,
    name: Box<str>,
    /// Absent where there is no annotation: most have none.
    metadata: Option<Box<Metadata<'static>>>,
}

impl Accounts {
    /// Adds one as the API server wrote it.
    pub(super) fn add(&mut self, text: &str, cluster: &mut Cluster, conventions: &Conventions) -> anyhow::Result<()> {
        let object: Object<'_> = serde_json::from_str(text)?;
        let metadata = &object.metadata;
        let text_of = |field: &Option<rolecall_core::workload::Text<'_>>| -> Box<str> {
            field.as_ref().map(|text| text.as_str()).unwrap_or_default().into()
        };
        let (namespace, name) = (text_of(&metadata.namespace), text_of(&metadata.name));
        let account = ServiceAccount::of(metadata, conventions);
        if account.role_arn.is_some()
            && let Some(since) = Item::read(text)?.annotated(conventions.role_arn_key())
        {
            self.annotated.entry(namespace.clone()).or_default().insert(name.clone(), since);
        }
        cluster.add_service_account(&namespace, &name, account);
        self.list.push(Account { namespace, name, metadata: kept(metadata) });
        Ok(())
    }

    /// When a service account was last annotated with a role.
    pub(super) fn annotated(&self, namespace: &str, name: &str) -> Option<Timestamp> {
        self.annotated.get(namespace)?.get(name).copied()
    }

    /// Namespace and name of each.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|account| (&*account.namespace, &*account.name))
    }

    /// Judges all of them; those without anything to say are only counted.
    pub(super) fn judge(&self, world: &World, exemptions: impl Fn(&str) -> bool, now: Timestamp, tally: &mut Tally) {
        let plain = Metadata::default();
        for account in &self.list {
            let metadata = account.metadata.as_deref().unwrap_or(&plain);
            let change =
                ServiceAccountChange { namespace: &account.namespace, name: &account.name, metadata, before: None };
            let circumstances = Circumstances { now: Some(now), exemptions: exemptions(&account.namespace) };
            let judgement = judge_service_account(world, &change, circumstances);
            if judgement.findings.is_empty() && judgement.exempted.is_empty() {
                tally.judged += 1;
            } else {
                tally.add(Owner::new(&account.namespace, "ServiceAccount", &account.name), &judgement, 0);
            }
        }
    }
}

/// The ARNs of roles that stand in a text of JSON as a whole value.
pub(super) fn roles_in(text: &str, roles: &mut BTreeSet<String>) {
    let values = text.split('"').filter(|value| value.starts_with("arn:") && value.contains(":role/"));
    roles.extend(values.filter(|value| rolecall_iam::RoleArn::parse(value).is_ok()).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_roles_that_stand_as_values() {
        let mut roles = BTreeSet::new();
        roles_in(
            r#"{"a":"arn:aws:iam::111122223333:role/carts","b":"see arn:aws:iam::111122223333:role/not",
               "c":"{\"x\":\"arn:aws:iam::111122223333:role/escaped\"}","d":"arn:aws:s3:::role/none"}"#,
            &mut roles,
        );
        assert_eq!(roles.into_iter().collect::<Vec<_>>(), ["arn:aws:iam::111122223333:role/carts"]);
    }

    #[test]
    fn keeps_what_the_judgement_needs() {
        let (mut accounts, mut cluster) = (Accounts::default(), Cluster::default());
        let conventions = Conventions::default();
        let text = r#"{"metadata":{"name":"carts","namespace":"shop","annotations":{
            "kubectl.kubernetes.io/last-applied-configuration":"{}",
            "eks.amazonaws.com/role-arn":"arn:aws:iam::111122223333:role/carts"},
            "managedFields":[{"time":"2026-11-24T18:00:00Z","fieldsV1":{"f:metadata":{"f:annotations":
            {"f:eks.amazonaws.com/role-arn":{}}}}}]}}"#;
        accounts.add(text, &mut cluster, &conventions).unwrap();
        accounts.add(r#"{"metadata":{"name":"default","namespace":"shop"}}"#, &mut cluster, &conventions).unwrap();
        assert_eq!(accounts.names().collect::<Vec<_>>(), [("shop", "carts"), ("shop", "default")]);
        assert!(accounts.annotated("shop", "carts").is_some() && accounts.annotated("shop", "default").is_none());
        let kept = accounts.list.first().unwrap().metadata.as_ref().unwrap();
        assert_eq!(kept.annotations.iter().count(), 1);
    }
}
