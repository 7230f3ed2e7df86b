//! What a raised level of one namespace would deny: its templates and its running pods, read page by page, within limits of
//! time, memory and number.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use kube::Client;
use rolecall_core::effort::Stop;
use rolecall_core::workload::{Kind, within_bytes};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::owners::{Owner, Owners};
use super::read::{WORKLOADS, names, path_in, read, resource};
use crate::kube::{PageText, Pages, Refusal};
use crate::review::{DeniedOwner, NoPreview, Preview, RaisedLevel};

/// Most bytes that the lists of one object may take while it is read.
const MAX_LIST_BYTES: usize = 40 << 20;
/// Longest name of a controller that is kept (Kubernetes, "Object Names and IDs").
const MAX_NAME_BYTES: usize = 253;

/// How much one preview reads.
#[derive(Debug, Clone)]
pub struct PreviewLimits {
    /// Most objects of all kinds together, also those that count for nothing.
    pub objects: usize,
    /// When it ends.
    pub end: Instant,
    /// One page is held and checked at a time, by all previews together.
    pub turn: Arc<Semaphore>,
}

/// Checks the templates and the running pods of a namespace, owners first.
///
/// # Errors
/// Where a right is missing, the API server cannot be asked, or no turn came before the end.
pub async fn preview(
    client: &Client,
    namespace: &str,
    level: RaisedLevel,
    limits: PreviewLimits,
) -> Result<Preview, NoPreview> {
    let (turn, end) = (Arc::clone(&limits.turn), limits.end);
    let stop = Stop::default();
    // Where the review is no longer waited for, the check under way ends at its next step.
    let _ending = StopOnDrop(stop.clone());
    let (owners, groups, done) = (Owners::default(), BTreeMap::new(), Preview::default());
    let mut seen = Seen { level, limits, stop, owners, groups, objects: 0, done };
    for kind in WORKLOADS.into_iter().chain([Kind::Pod]) {
        let mut pages = Pages::new(client, path_in(namespace, resource(kind)));
        loop {
            let Ok(permit) = tokio::time::timeout_at(end, Arc::clone(&turn).acquire_owned()).await else {
                if seen.objects == 0 {
                    return Err(NoPreview::Busy);
                }
                seen.leave_out(None, kind.plural());
                break;
            };
            let Ok(page) = tokio::time::timeout_at(end, pages.next()).await else {
                seen.leave_out(None, kind.plural());
                break;
            };
            let Some(page) = page.map_err(refused)? else { break };
            // Checking takes time that the threads that answer reviews do not have. The turn ends with it.
            let checking = tokio::task::spawn_blocking(move || {
                let left = seen.check(&page, kind);
                drop(permit);
                left.map(|left| (seen, left))
            });
            let checked = checking.await.context("the check was stopped").and_then(|checked| checked);
            let (after, left) = checked.map_err(|error| NoPreview::Unreadable(format!("{error:#}")))?;
            seen = after;
            if let Some(left) = left {
                seen.leave_out(Some(left), kind.plural());
                break;
            }
        }
    }
    Ok(seen.preview())
}

fn refused(refusal: Refusal) -> NoPreview {
    match refusal {
        Refusal::Denied(why) => NoPreview::Forbidden(format!("grant ClusterRole rolecall-would-deny ({why})")),
        other => NoPreview::Unreadable(format!("{other:#}")),
    }
}

/// Ends what has this stop.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// What was read so far.
struct Seen {
    level: RaisedLevel,
    limits: PreviewLimits,
    stop: Stop,
    owners: Owners,
    groups: BTreeMap<Owner, Group>,
    objects: usize,
    done: Preview,
}

/// An owner: its running pods, and the rules that would deny new ones.
#[derive(Default)]
struct Group {
    pods: usize,
    /// The template's, which counts where there is one.
    template: Option<Vec<&'static str>>,
    running: Vec<&'static str>,
}

impl Seen {
    /// Checks the objects of a page. How many were left out, where a limit was reached.
    fn check(&mut self, page: &PageText, kind: Kind) -> anyhow::Result<Option<usize>> {
        let page = page.items().context("the API server's answer is no list")?;
        let all = page.items.len();
        for (at, raw) in page.items.into_iter().enumerate() {
            let is_over = self.objects >= self.limits.objects || Instant::now() >= self.limits.end;
            if is_over || self.stop.is_set() {
                return Ok(Some(all - at + page.remaining));
            }
            self.objects += 1;
            within_bytes(MAX_LIST_BYTES, || self.object(raw, kind))?;
        }
        Ok(None)
    }

    fn object(&mut self, raw: &RawValue, kind: Kind) -> anyhow::Result<()> {
        let (object, item) = read(raw, kind)?;
        let (namespace, name) = names(&object);
        // The API server checks no owner reference.
        let is_named = |(kind, name): &(&str, &str)| kind.len() <= MAX_NAME_BYTES && name.len() <= MAX_NAME_BYTES;
        let controller = item.controller().filter(is_named);
        let owner = if kind == Kind::Pod {
            if item.is_over() {
                return Ok(());
            }
            self.done.pods += 1;
            self.owners.top(namespace, (kind, name), controller)
        } else {
            self.owners.add(namespace, kind, name, controller);
            if item.makes_no_pods(kind) {
                return Ok(());
            }
            self.done.templates += 1;
            self.owners.top(namespace, (kind, name), controller)
        };
        let group = self.groups.entry(owner).or_default();
        if kind == Kind::Pod {
            group.pods += 1;
            // Pods of one owner are alike; its template was checked.
            if group.template.is_none() && group.running.is_empty() {
                group.running = self.level.denying_rules(&object, kind, &self.stop);
            }
        } else {
            let rules = group.template.get_or_insert_default();
            rules.extend(self.level.denying_rules(&object, kind, &self.stop));
            rules.sort_unstable();
            rules.dedup();
        }
        Ok(())
    }

    fn leave_out(&mut self, objects: Option<usize>, plural: &str) {
        self.done.unchecked.push(match objects {
            Some(1) => format!("1 of the {plural}"),
            Some(objects) => format!("{objects} of the {plural}"),
            None => plural.to_owned(),
        });
    }

    fn preview(self) -> Preview {
        let denied = self.groups.into_iter().filter_map(|(owner, group)| {
            let rules = group.template.unwrap_or(group.running);
            let (kind, name) = (owner.kind.into_owned(), owner.name);
            (!rules.is_empty()).then_some(DeniedOwner { kind, name, pods: group.pods, rules })
        });
        Preview { denied: denied.collect(), ..self.done }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use hyper::{Request, Response};
    use jiff::Timestamp;
    use kube::client::Body;
    use rolecall_core::cluster::{Cluster, Namespace};
    use rolecall_core::decision::{EnforceOn, Level, Mode};
    use rolecall_core::snapshot::Snapshot;
    use rolecall_core::world::World;
    use serde_json::{Value, json};
    use tower::service_fn;

    use super::*;
    use crate::config::Config;
    use crate::review::Raise;

    /// An API server that has these objects, by plural; it refuses to list `null`.
    fn client(objects: Value) -> Client {
        let service = service_fn(move |request: Request<Body>| {
            let plural = request.uri().path().rsplit('/').next().unwrap().to_owned();
            let (status, body) = match objects.get(&plural) {
                Some(Value::Null) => (403, json!({"kind": "Status", "code": 403, "message": format!("no {plural}")})),
                items => (200, json!({"metadata": {}, "items": items})),
            };
            let response = Response::builder().status(status).body(Body::from(body.to_string().into_bytes())).unwrap();
            async move { Ok::<_, Infallible>(response) }
        });
        Client::new(service, "default")
    }

    fn level() -> RaisedLevel {
        let config = Config::default();
        let world = World::new(Arc::new(Snapshot::default()), Cluster::default(), config.conventions());
        let (name, namespace) = ("shop".to_owned(), Namespace::default());
        let raise = Raise { name, level: Level::Chain, enforce_on: EnforceOn::PODS, namespace };
        RaisedLevel::new(&world, &config.settings(Mode::Enforce), &raise, Timestamp::UNIX_EPOCH).unwrap()
    }

    fn limits(objects: usize, turns: usize) -> PreviewLimits {
        let end = Instant::now() + Duration::from_secs(20);
        PreviewLimits { objects, end, turn: Arc::new(Semaphore::new(turns)) }
    }

    /// A broken container has a role and a token file that its pod has not.
    fn spec(is_broken: bool) -> Value {
        let env = json!([{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/web"},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}]);
        json!({"containers": [{"name": "app", "image": "i", "env": if is_broken { env } else { json!([]) }}]})
    }

    fn deployment(name: &str, is_broken: bool) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"template": {"spec": spec(is_broken)}}})
    }

    fn owned(name: &str, kind: &str, owner: &str) -> Value {
        let owner = json!([{"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": "u", "controller": true}]);
        json!({"name": name, "namespace": "shop", "ownerReferences": owner})
    }

    fn replica_set(name: &str, deployment: &str) -> Value {
        json!({"metadata": owned(name, "Deployment", deployment), "spec": {"template": {"spec": spec(true)}}})
    }

    fn pod(metadata: &Value) -> Value {
        json!({"metadata": metadata, "spec": spec(true)})
    }

    fn bare(name: &str) -> Value {
        pod(&json!({"name": name, "namespace": "shop"}))
    }

    #[tokio::test]
    async fn pods_count_for_what_a_person_wrote_and_its_template_decides() {
        let client = client(json!({
            "deployments": [deployment("web", true), deployment("fixed", false)],
            "replicasets": [replica_set("web-1", "web"), replica_set("fixed-1", "fixed")],
            "pods": [pod(&owned("web-1-a", "ReplicaSet", "web-1")), pod(&owned("web-1-b", "ReplicaSet", "web-1")),
                     pod(&owned("fixed-1-a", "ReplicaSet", "fixed-1")), bare("alone")],
        }));
        let preview = preview(&client, "shop", level(), limits(100, 1)).await.unwrap();
        let denied: Vec<_> = preview.denied.iter().map(|d| (&*d.kind, &*d.name, d.pods, &*d.rules)).collect();
        let rules: &[&str] = &["injection-preset"];
        assert_eq!(denied, [("Deployment", "web", 2, rules), ("Pod", "alone", 1, rules)]);
        assert_eq!((preview.templates, preview.pods, preview.unchecked.len()), (2, 4, 0));
    }

    #[tokio::test]
    async fn what_counts_for_nothing_takes_from_the_limit_and_the_rest_is_named() {
        let old = |number: usize| {
            let mut set = replica_set(&format!("old-{number}"), &"x".repeat(1 << 10));
            set["spec"]["replicas"] = json!(0);
            set
        };
        let client = client(json!({
            "deployments": [deployment("web", true)],
            "replicasets": (0..6).map(old).collect::<Vec<_>>(),
            "pods": [bare("a"), bare("b")],
        }));
        let preview = preview(&client, "shop", level(), limits(5, 1)).await.unwrap();
        assert_eq!((preview.denied.len(), preview.templates, preview.pods), (1, 1, 0));
        assert_eq!(preview.unchecked, ["2 of the replicasets", "2 of the pods"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_right_and_a_missing_turn_are_told_apart() {
        let denied = preview(&client(json!({"jobs": null})), "shop", level(), limits(5, 1)).await.unwrap_err();
        let NoPreview::Forbidden(why) = &denied else { panic!("{denied:?}") };
        assert!(why.contains("rolecall-would-deny") && why.contains("no jobs"), "{why}");
        let busy = preview(&client(json!({})), "shop", level(), limits(5, 0)).await.unwrap_err();
        assert_eq!(busy, NoPreview::Busy);
    }
}
