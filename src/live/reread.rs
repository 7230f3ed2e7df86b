//! Reading just the links of a would-be denial, within the review's deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use rolecall_core::judge::Links;
use rolecall_core::snapshot::{Issuer, Reread, Snapshot};
use rolecall_iam::RoleArn;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::flight::{Flights, Waiting};
use super::gate::Requester;
use super::turns::{MAX_NAME_BYTES, Turns};

/// A role as it was read, with the managed policies that it names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadRole {
    /// `RoleDetail`; `None` where there is no such role.
    pub role: Option<Value>,
    /// Managed policies with their default versions, where policies were asked for.
    pub policies: Vec<Value>,
}

/// Reads single links from AWS. Errors are sentences for a person.
pub trait LinkReader: Send + Sync + std::fmt::Debug {
    /// A role; with its inline, managed and boundary policies where asked.
    fn role(&self, arn: String, policies: bool) -> BoxFuture<'static, Result<ReadRole, String>>;
    /// The associations of a service account: none or one.
    fn associations(&self, namespace: String, account: String) -> BoxFuture<'static, Result<Vec<Value>, String>>;
    /// The OIDC provider of an issuer in an account.
    fn provider(&self, account: String, issuer_url: String) -> BoxFuture<'static, Result<Option<Value>, String>>;
    /// A part of the cluster as the snapshot has it. `None`: this reader cannot read it, and what is known stays.
    fn part(&self, part: ClusterPart) -> BoxFuture<'static, Result<Option<Value>, String>> {
        let _ = part;
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A part of the cluster on which few denials rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClusterPart {
    /// DescribeCluster's `cluster`, for its issuer.
    Cluster,
    /// The add-ons.
    Addons,
    /// The Fargate profiles.
    FargateProfiles,
}

impl ClusterPart {
    /// The field of the snapshot.
    fn field(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Addons => "addons",
            Self::FargateProfiles => "fargateProfiles",
        }
    }
}

/// A link that is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Role(String, bool),
    Associations(String, String),
    Provider(String, String),
    Part(ClusterPart),
}

/// What was read.
#[derive(Debug, Clone)]
enum Fact {
    Role(ReadRole),
    Associations(Vec<Value>),
    Provider(Option<Value>),
    Part(Option<Value>),
}

/// Why a denial could not be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unconfirmed {
    /// AWS did not answer in time.
    Late,
    /// AWS refused, or answered what cannot be read.
    Unreadable,
    /// Too many links were being read at once.
    Crowded,
}

impl Unconfirmed {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Unreadable => "unreadable",
            Self::Crowded => "crowded",
        }
    }
}

/// What came of reading the links of a denial.
#[derive(Debug, Clone)]
pub enum Confirming {
    /// All were read; `asked` is when the first was asked for.
    Read {
        /// What was found.
        reread: Arc<Reread>,
        /// When the earliest of it was asked for.
        asked: Instant,
        /// All links that were read, those of a new association too.
        links: Links,
    },
    /// Not all: why, and in a sentence.
    Failed(Unconfirmed, String),
}

type Reading = Arc<Result<Fact, String>>;

/// Reads links again: each one at a time, shared by all reviews that wait for it, and remembered for seconds.
#[derive(Debug)]
pub struct Rereads {
    reader: Arc<dyn LinkReader>,
    flights: Flights<Key, Reading>,
    turns: Turns<Key>,
    patience: Duration,
}

/// Longest ARN (IAM API Reference, `arnType`).
const MAX_ARN_BYTES: usize = 2_048;
/// Links read at one time. What AWS allows a second is the budget's matter (`sources/aws/budget.rs`).
const MAX_CONCURRENT_READS: usize = 32;

/// Links in the air or remembered at one time.
const MAX_FLIGHTS: usize = 1_024;

impl Rereads {
    /// Re-reads through a reader; what is read serves for as long as `remember`, and a reading is given up after `patience`,
    /// so that one that hangs does not hold up the next review of its kind.
    pub fn new(reader: Arc<dyn LinkReader>, remember: Duration, patience: Duration) -> Self {
        Self::with_places(reader, remember, patience, MAX_CONCURRENT_READS)
    }

    /// The same with so many links read at one time.
    pub fn with_places(reader: Arc<dyn LinkReader>, remember: Duration, patience: Duration, places: usize) -> Self {
        let flights = Flights::new(remember, |reading: &Reading| reading.is_ok(), MAX_FLIGHTS);
        Self { reader, flights, turns: Turns::new(places, MAX_FLIGHTS, patience), patience }
    }

    /// Reads links, and the roles that a new association names, until `deadline`. What was read up to `remember` before serves
    /// too, except for an association that the links want new. Where many are read, requesters take turns.
    pub async fn confirm(
        &self,
        links: &Links,
        issuer: Option<&Issuer>,
        requester: &Requester,
        deadline: Instant,
    ) -> Confirming {
        match tokio::time::timeout_at(deadline, self.read(links, issuer, requester)).await {
            Ok(confirming) => confirming,
            Err(_) => Confirming::Failed(
                Unconfirmed::Late,
                format!("AWS did not answer in time whether {} still stand that way", in_words(links)),
            ),
        }
    }

    async fn read(&self, links: &Links, issuer: Option<&Issuer>, requester: &Requester) -> Confirming {
        let now = Instant::now();
        let (namespace, account) = links.subject.clone();
        let mut keys = vec![Key::Associations(namespace.clone(), account.clone())];
        keys.extend(links.roles.iter().map(|arn| Key::Role(arn.clone(), links.policies)));
        if let Some(issuer) = issuer {
            let accounts = links.accounts();
            keys.extend(
                accounts.into_iter().map(|id| Key::Provider(id.to_owned(), format!("https://{}", issuer.as_str()))),
            );
        }
        let parts = [
            (links.issuer, ClusterPart::Cluster),
            (links.addons, ClusterPart::Addons),
            (links.fargate_profiles, ClusterPart::FargateProfiles),
        ];
        keys.extend(parts.into_iter().filter(|(is_read, _)| *is_read).map(|(_, part)| Key::Part(part)));
        let mut read = links.clone();
        let since = |key: &Key| match key {
            Key::Associations(..) if links.new_association => now,
            _ => self.flights.since(),
        };
        let keys = keys.into_iter().map(|key| (since(&key), key)).collect();
        let mut facts = match self.land(keys, requester).await {
            Ok(facts) => facts,
            Err((why, sentence)) => return Confirming::Failed(why, sentence),
        };
        // An association that came about meanwhile names roles that no review asked for yet.
        let associations = facts.iter().filter_map(|(_, _, fact)| match fact {
            Fact::Associations(list) => Some(list),
            Fact::Role(_) | Fact::Provider(_) | Fact::Part(_) => None,
        });
        let named: BTreeSet<String> = associations
            .flatten()
            .flat_map(|association| ["roleArn", "targetRoleArn"].map(|field| association.get(field)))
            .filter_map(|arn| arn?.as_str().map(str::to_owned))
            .filter(|arn| RoleArn::parse(arn).is_ok() && !links.roles.contains(arn))
            .collect();
        if !named.is_empty() {
            read.roles.extend(named.iter().cloned());
            let since = self.flights.since();
            let keys = named.into_iter().map(|arn| (since, Key::Role(arn, links.policies))).collect();
            match self.land(keys, requester).await {
                Ok(more) => facts.extend(more),
                Err((why, sentence)) => return Confirming::Failed(why, sentence),
            }
        }
        let asked = facts.iter().map(|(_, asked, _)| *asked).min().unwrap_or_else(Instant::now);
        match found(&facts) {
            Ok(found) => Confirming::Read {
                asked,
                links: read,
                reread: Arc::new(Reread {
                    found,
                    associations: vec![(namespace.into(), account.into())],
                    providers: facts
                        .iter()
                        .filter_map(|(key, ..)| match key {
                            Key::Provider(account, url) => Some((account.as_str().into(), Issuer::new(url))),
                            Key::Role(..) | Key::Associations(..) | Key::Part(_) => None,
                        })
                        .collect(),
                }),
            },
            Err(fault) => Confirming::Failed(
                Unconfirmed::Unreadable,
                format!("what AWS says of {} cannot be read: {fault}", in_words(links)),
            ),
        }
    }

    async fn land(
        &self,
        keys: Vec<(Instant, Key)>,
        requester: &Requester,
    ) -> Result<Vec<(Key, Instant, Fact)>, (Unconfirmed, String)> {
        let crowded = || (Unconfirmed::Crowded, "too many other links are being read again from AWS".to_owned());
        let mut joined = Vec::with_capacity(keys.len());
        for (since, key) in keys {
            let is_long = match &key {
                Key::Role(arn, _) => arn.len() > MAX_ARN_BYTES,
                Key::Associations(namespace, account) => namespace.len().max(account.len()) > MAX_NAME_BYTES,
                Key::Provider(..) | Key::Part(_) => false,
            };
            if is_long {
                return Err((Unconfirmed::Unreadable, "a name is longer than AWS or Kubernetes allows".to_owned()));
            }
            if !self.turns.want(&key, requester) {
                return Err(crowded());
            }
            let lost: Reading = Arc::new(Err("the reading broke off".to_owned()));
            let flight = self.flights.join(key.clone(), since, |waiting| self.start(&key, waiting), lost);
            let Some(flight) = flight else {
                return Err(crowded());
            };
            joined.push(async move {
                let (asked, reading) = flight.await;
                (key, asked, reading)
            });
        }
        let mut facts = Vec::with_capacity(joined.len());
        for (key, asked, reading) in join_all(joined).await {
            match &*reading {
                Ok(fact) => facts.push((key, asked, fact.clone())),
                Err(sentence) => {
                    return Err((Unconfirmed::Unreadable, format!("it could not be re-read from AWS: {sentence}")));
                }
            }
        }
        Ok(facts)
    }

    fn start(&self, key: &Key, waiting: Arc<Waiting>) -> BoxFuture<'static, Reading> {
        let reader = Arc::clone(&self.reader);
        let patience = self.patience;
        let place = self.turns.place(key);
        let key = key.clone();
        let reading = async move {
            match key {
                Key::Role(arn, policies) => reader.role(arn, policies).await.map(Fact::Role),
                Key::Associations(namespace, account) => {
                    reader.associations(namespace, account).await.map(Fact::Associations)
                }
                Key::Provider(account, url) => reader.provider(account, url).await.map(Fact::Provider),
                Key::Part(part) => reader.part(part).await.map(Fact::Part),
            }
        };
        Box::pin(async move {
            let end = Instant::now() + patience;
            let Ok(_place) = tokio::time::timeout_at(end, place).await else {
                return Arc::new(Err(format!("it waited {} s behind other readings", patience.as_secs())));
            };
            // Nothing is read for reviews whose clients left while they waited.
            if !waiting.is_wanted() {
                return Arc::new(Err("no review waits for it any more".to_owned()));
            }
            let given_up = |_| Err(format!("AWS did not answer within {} s", patience.as_secs()));
            Arc::new(tokio::time::timeout_at(end, reading).await.unwrap_or_else(given_up))
        })
    }
}

fn in_words(links: &Links) -> String {
    let mut words = vec![format!("the association of {}/{}", links.subject.0, links.subject.1)];
    words.extend(links.roles.iter().take(2).map(|arn| format!("role {}", arn.rsplit('/').next().unwrap_or(arn))));
    words.join(" and ")
}

/// What was read, as a snapshot of just that.
fn found(facts: &[(Key, Instant, Fact)]) -> Result<Snapshot, String> {
    #[derive(Default)]
    struct OfAccount {
        roles: Vec<Value>,
        missing: Vec<Value>,
        policies: Vec<Value>,
        providers: Vec<Value>,
    }
    let mut accounts: BTreeMap<String, OfAccount> = BTreeMap::new();
    let mut associations = Vec::new();
    let mut document = Map::new();
    for (key, _, fact) in facts {
        match (key, fact) {
            (Key::Role(arn, _), Fact::Role(read)) => {
                let account = RoleArn::parse(arn).map_err(|fault| fault.to_string())?.account;
                let of = accounts.entry(account.to_owned()).or_default();
                match &read.role {
                    // Two spellings may lead to one role.
                    Some(role) if of.roles.iter().any(|other| other.get("Arn") == role.get("Arn")) => {}
                    Some(role) => of.roles.push(role.clone()),
                    None => of.missing.push(json!(arn)),
                }
                for policy in &read.policies {
                    if !of.policies.iter().any(|other| other.get("Arn") == policy.get("Arn")) {
                        of.policies.push(policy.clone());
                    }
                }
            }
            (_, Fact::Associations(list)) => associations.extend(list.iter().cloned()),
            (Key::Provider(account, _), Fact::Provider(provider)) => {
                accounts.entry(account.clone()).or_default().providers.extend(provider.clone());
            }
            (Key::Part(part), Fact::Part(Some(value))) => {
                document.insert(part.field().to_owned(), value.clone());
            }
            _ => {}
        }
    }
    let accounts: Map<String, Value> = accounts
        .into_iter()
        .map(|(id, mut of)| {
            // Of two spellings of a name one may find the role: then it exists.
            of.missing.retain(|arn| !of.roles.iter().any(|role| are_one(arn, role.get("Arn"))));
            let account = json!({
                "rolesRead": "named", "roles": of.roles, "missingRoles": of.missing,
                "policies": of.policies, "oidcProviders": of.providers,
            });
            (id, account)
        })
        .collect();
    document.insert("podIdentityAssociations".to_owned(), Value::Array(associations));
    document.insert("accounts".to_owned(), Value::Object(accounts));
    Snapshot::parse(&Value::Object(document).to_string()).map_err(|error| error.to_string())
}

/// Whether two ARNs of one account name the same role: names are unique without regard to case.
fn are_one(missing: &Value, found: Option<&Value>) -> bool {
    let name = |arn: &Value| RoleArn::parse(arn.as_str()?).ok().map(|arn| arn.name.to_ascii_lowercase());
    found.is_some_and(|found| name(missing).is_some() && name(missing) == name(found))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use rolecall_core::Known;

    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/Carts";

    /// Finds the role under its own spelling only.
    #[derive(Debug)]
    struct Reader;

    impl LinkReader for Reader {
        fn role(&self, arn: String, _: bool) -> BoxFuture<'static, Result<ReadRole, String>> {
            let role = (arn == ROLE).then(|| json!({"Arn": ROLE}));
            async { Ok(ReadRole { role, policies: Vec::new() }) }.boxed()
        }

        fn associations(&self, _: String, _: String) -> BoxFuture<'static, Result<Vec<Value>, String>> {
            async { Ok(Vec::new()) }.boxed()
        }

        fn provider(&self, _: String, _: String) -> BoxFuture<'static, Result<Option<Value>, String>> {
            async { Ok(None) }.boxed()
        }

        fn part(&self, part: ClusterPart) -> BoxFuture<'static, Result<Option<Value>, String>> {
            let value = match part {
                ClusterPart::Cluster => {
                    json!({"name": "shop", "identity": {"oidc": {"issuer": "https://x.example/new"}}})
                }
                ClusterPart::Addons => json!([{"addonName": "eks-pod-identity-agent"}]),
                ClusterPart::FargateProfiles => json!([]),
            };
            async { Ok(Some(value)) }.boxed()
        }
    }

    async fn found(links: &Links) -> Snapshot {
        let rereads = Rereads::new(Arc::new(Reader), Duration::ZERO, Duration::from_secs(1));
        match rereads.confirm(links, None, &Requester::default(), Instant::now() + Duration::from_secs(1)).await {
            Confirming::Read { reread, links: read, .. } => {
                assert!(links.are_among(&read), "{read:?}");
                reread.found.clone()
            }
            Confirming::Failed(_, sentence) => panic!("{sentence}"),
        }
    }

    fn links(roles: &[&str]) -> Links {
        Links {
            subject: ("carts".to_owned(), "carts".to_owned()),
            roles: roles.iter().map(|arn| (*arn).to_owned()).collect(),
            policies: false,
            new_association: false,
            issuer: false,
            addons: false,
            fargate_profiles: false,
        }
    }

    #[tokio::test]
    async fn a_role_that_one_spelling_finds_exists() {
        let other = ROLE.to_ascii_lowercase();
        let role = |snapshot: &Snapshot| snapshot.role_by_name("111122223333", "carts").map(drop);
        assert_eq!(role(&found(&links(&[&other])).await), Known::Absent);
        assert_eq!(role(&found(&links(&[&other, ROLE])).await), Known::Present(()));
    }

    #[tokio::test]
    async fn parts_of_the_cluster_are_read_where_a_denial_rests_on_them() {
        let none = found(&links(&[])).await;
        assert!(none.cluster.is_none() && none.addons.is_none() && none.fargate_profiles.is_none());
        let all = Links { issuer: true, addons: true, fargate_profiles: true, ..links(&[]) };
        let all = found(&all).await;
        assert_eq!(all.cluster.and_then(|cluster| cluster.issuer), Some(Issuer::new("https://x.example/new")));
        assert_eq!((all.addons.map(|addons| addons.len()), all.fargate_profiles), (Some(1), Some(Vec::new())));
    }

    /// Takes a tenth of a second for whatever is asked, and counts.
    #[derive(Debug, Default)]
    struct Slow(Arc<AtomicUsize>);

    impl LinkReader for Slow {
        fn role(&self, arn: String, _: bool) -> BoxFuture<'static, Result<ReadRole, String>> {
            let role = json!({"Arn": arn});
            let calls = Arc::clone(&self.0);
            async move {
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(ReadRole { role: Some(role), policies: Vec::new() })
            }
            .boxed()
        }

        fn associations(&self, _: String, _: String) -> BoxFuture<'static, Result<Vec<Value>, String>> {
            let calls = Arc::clone(&self.0);
            async move {
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(Vec::new())
            }
            .boxed()
        }

        fn provider(&self, _: String, _: String) -> BoxFuture<'static, Result<Option<Value>, String>> {
            async { Ok(None) }.boxed()
        }
    }

    fn requester(source: u8, namespace: &str) -> Requester {
        Requester { source: Some([10, 0, 0, source].into()), namespace: namespace.to_owned() }
    }

    /// A reading that waits its turn for a client that leaves makes no call; the one under way ends.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_left_costs_no_further_call() {
        let calls = Arc::new(AtomicUsize::new(0));
        let reader = Arc::new(Slow(Arc::clone(&calls)));
        let rereads = Arc::new(Rereads::with_places(reader, Duration::ZERO, Duration::from_secs(8), 1));
        let ask = |name: &'static str| {
            let rereads = Arc::clone(&rereads);
            let links = Links { subject: ("n".to_owned(), name.to_owned()), ..links(&[&format!("{ROLE}{name}")]) };
            let deadline = Instant::now() + Duration::from_secs(8);
            tokio::spawn(async move { rereads.confirm(&links, None, &requester(1, "n"), deadline).await })
        };
        let leaving = ask("a");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 1, "one of its two links is being read");
        leaving.abort();
        let staying = ask("b");
        assert!(matches!(staying.await, Ok(Confirming::Read { .. })));
        assert_eq!(calls.load(Ordering::Relaxed), 3, "of the client that left no other link was read");
    }

    /// One client invents service accounts in eight namespaces. What another client asks is confirmed all the same,
    /// also for a link that an attacker asked for before.
    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_source_does_not_keep_others_from_being_confirmed() {
        let rereads = Arc::new(Rereads::new(Arc::new(Slow::default()), Duration::ZERO, Duration::from_secs(8)));
        let deadline = Instant::now() + Duration::from_secs(4);
        let mut flood = Vec::new();
        for n in 0..2_000_usize {
            let rereads = Arc::clone(&rereads);
            let namespace = format!("n{}", n % 8);
            let role = format!("arn:aws:iam::111122223333:role/r{n}");
            flood.push(tokio::spawn(async move {
                let links = Links { subject: (namespace.clone(), format!("s{n}")), ..links(&[&role]) };
                rereads.confirm(&links, None, &requester(9, &namespace), deadline).await
            }));
        }
        tokio::task::yield_now().await;
        // The victim's own link, behind the flood in the attacker's line.
        let of_the_victim = Links { subject: ("n0".to_owned(), "victim".to_owned()), ..links(&[ROLE]) };
        let attacker = {
            let (rereads, links) = (Arc::clone(&rereads), of_the_victim.clone());
            tokio::spawn(async move { rereads.confirm(&links, None, &requester(9, "n7"), deadline).await })
        };
        tokio::task::yield_now().await;
        for namespace in ["n0", "carts"] {
            let began = Instant::now();
            let links = Links { subject: (namespace.to_owned(), "victim".to_owned()), ..of_the_victim.clone() };
            let confirming = rereads.confirm(&links, None, &requester(1, namespace), deadline).await;
            assert!(matches!(confirming, Confirming::Read { .. }), "{confirming:?}");
            assert!(began.elapsed() <= Duration::from_millis(500), "{:?}", began.elapsed());
        }
        let mut refused = 0;
        for one in flood {
            refused += usize::from(matches!(one.await.unwrap(), Confirming::Failed(Unconfirmed::Crowded, _)));
        }
        assert!(refused > 1_000, "the line of one source is bounded: {refused}");
        drop(attacker);
    }
}
