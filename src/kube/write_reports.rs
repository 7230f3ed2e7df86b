//! Reports in the cluster: written by server-side apply where they changed, deleted where nothing is left to say.

use std::collections::BTreeSet;

use anyhow::{anyhow, bail};
use kube::Client;
use serde_json::Value;

use super::list::{Refusal, get, list_names};

/// The field manager of what is written.
const MANAGER: &str = "rolecall-scan";
/// What tells our reports from others'.
const OWN_LABEL_SELECTOR: &str = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Drolecall";
const NAME: &str = "rolecall";

/// A kind of report.
#[derive(Debug, Clone, Copy)]
pub struct ReportKind {
    /// `GROUP/VERSION`
    pub api_version: &'static str,
    /// Plural of a namespace's reports.
    pub plural: &'static str,
    /// Plural of the cluster's.
    pub cluster_plural: &'static str,
}

/// What became of the reports.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct WrittenReports {
    /// Written, because they are new or changed.
    pub written: usize,
    /// Left as they are.
    pub unchanged: usize,
    /// Deleted.
    pub deleted: usize,
}

/// Fails where the cluster does not know a kind of report.
///
/// # Errors
/// Where its CustomResourceDefinitions are not installed, or the API server cannot be asked.
pub async fn reports_known(client: &Client, kind: ReportKind) -> anyhow::Result<()> {
    let ReportKind { api_version, plural, .. } = kind;
    let absent = || {
        anyhow!(
            "the cluster has no {plural} of {api_version}: install the CustomResourceDefinitions of OpenReports \
             (github.com/openreports/reports-api), or name the reports that the cluster has: \
             --reports openreports or wgpolicyk8s"
        )
    };
    let text = match get(client, &format!("/apis/{api_version}")).await {
        Ok(text) => text,
        Err(Refusal::Absent) => return Err(absent()),
        Err(refusal) => bail!("{api_version}: {refusal}"),
    };
    let known: Value = serde_json::from_str(&text)?;
    let resources = known.get("resources").and_then(Value::as_array);
    let has = |name: &str| resources.into_iter().flatten().any(|r| r.get("name").and_then(Value::as_str) == Some(name));
    if has(plural) { Ok(()) } else { Err(absent()) }
}

/// Writes reports, each with its namespace (`None`: the cluster's). What is there and says the same is left as it is; with
/// `tidy`, those of namespaces in scope that are not among them are deleted.
///
/// # Errors
/// Where a right is missing or the API server refuses one: the others are tried first.
pub async fn write_reports(
    client: &Client,
    kind: ReportKind,
    reports: Vec<(Option<String>, Value)>,
    tidy: bool,
    namespaces: &[String],
) -> anyhow::Result<WrittenReports> {
    let mut there: BTreeSet<Option<String>> = BTreeSet::new();
    if namespaces.is_empty() {
        let path = format!("/apis/{}/{}", kind.api_version, kind.plural);
        let names = list_names(client, &path, OWN_LABEL_SELECTOR)
            .await
            .map_err(|refusal| right("list", kind, kind.plural, &refusal))?;
        there.extend(names.into_iter().filter(|(_, name)| name == NAME).map(|(namespace, _)| Some(namespace)));
        let path = format!("/apis/{}/{}", kind.api_version, kind.cluster_plural);
        match list_names(client, &path, OWN_LABEL_SELECTOR).await {
            Ok(names) if names.iter().any(|(_, name)| name == NAME) => _ = there.insert(None),
            // It is wanted only where something concerns no namespace.
            Ok(_) | Err(Refusal::Absent | Refusal::Denied(_)) => {}
            Err(Refusal::Failed(error)) => return Err(error),
        }
    } else {
        there.extend(namespaces.iter().cloned().map(Some));
    }
    let mut done = WrittenReports::default();
    let mut failed: Vec<String> = Vec::new();
    for (namespace, body) in reports {
        let known = there.remove(&namespace);
        // With namespaces named, the cluster's report would tell of a part only.
        if namespace.is_none() && !namespaces.is_empty() {
            continue;
        }
        match write(client, kind, namespace.as_deref(), body, known).await {
            Ok(true) => done.written += 1,
            Ok(false) => done.unchanged += 1,
            Err(error) => failed.push(error.to_string()),
        }
    }
    for namespace in there.into_iter().filter(|_| tidy) {
        match delete(client, kind, namespace.as_deref()).await {
            Ok(true) => done.deleted += 1,
            Ok(false) => {}
            Err(error) => failed.push(error.to_string()),
        }
    }
    if let Some(first) = failed.first() {
        bail!("{} reports could not be written or deleted; the first: {first}", failed.len());
    }
    Ok(done)
}

fn path(kind: ReportKind, namespace: Option<&str>) -> String {
    let ReportKind { api_version, plural, cluster_plural } = kind;
    match namespace {
        Some(namespace) => format!("/apis/{api_version}/namespaces/{namespace}/{plural}/{NAME}"),
        None => format!("/apis/{api_version}/{cluster_plural}/{NAME}"),
    }
}

/// Writes one; whether it had to be.
async fn write(
    client: &Client,
    kind: ReportKind,
    namespace: Option<&str>,
    mut body: Value,
    known: bool,
) -> anyhow::Result<bool> {
    let path = path(kind, namespace);
    let plural = if namespace.is_some() { kind.plural } else { kind.cluster_plural };
    if known {
        match get(client, &path).await {
            Ok(text) => {
                let existing: Value = serde_json::from_str(&text)?;
                if settle(&existing, &mut body) {
                    return Ok(false);
                }
            }
            Err(Refusal::Absent) => {}
            Err(refusal) => return Err(right("get", kind, plural, &refusal)),
        }
    }
    let request = hyper::Request::patch(format!("{path}?fieldManager={MANAGER}&force=true"))
        .header(hyper::header::CONTENT_TYPE, "application/apply-patch+yaml")
        .body(body.to_string().into_bytes())?;
    match client.request_text(request).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Err(right("patch` and `create", kind, plural, &Refusal::Denied(status.message)))
        }
        Err(kube::Error::Api(status)) if status.code == 404 => {
            bail!("{path}: the cluster has no {plural} of {}, or the namespace is gone", kind.api_version)
        }
        Err(error) => bail!("{path}: {}", super::explain(&error)),
    }
}

/// Deletes one that is ours; whether it was there.
async fn delete(client: &Client, kind: ReportKind, namespace: Option<&str>) -> anyhow::Result<bool> {
    let path = path(kind, namespace);
    let plural = if namespace.is_some() { kind.plural } else { kind.cluster_plural };
    match get(client, &path).await {
        Ok(text) => {
            let label = "/metadata/labels/app.kubernetes.io~1managed-by";
            let existing: Value = serde_json::from_str(&text)?;
            if existing.pointer(label).and_then(Value::as_str) != Some(NAME) {
                return Ok(false);
            }
        }
        Err(Refusal::Absent) => return Ok(false),
        Err(refusal) => return Err(right("get", kind, plural, &refusal)),
    }
    match client.request_text(hyper::Request::delete(&path).body(Vec::new())?).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Err(right("delete", kind, plural, &Refusal::Denied(status.message)))
        }
        Err(error) => bail!("{path}: {}", super::explain(&error)),
    }
}

fn right(verb: &str, kind: ReportKind, plural: &str, refusal: &Refusal) -> anyhow::Error {
    let group = kind.api_version.split('/').next().unwrap_or_default();
    match refusal {
        Refusal::Denied(why) => anyhow!("grant the verb `{verb}` on `{plural}.{group}` ({why})"),
        other => anyhow!("{plural}.{group}: {other}"),
    }
}

/// Takes over the time at which a result was first found from the report that is there. Whether both then say the same.
fn settle(existing: &Value, wanted: &mut Value) -> bool {
    const COMPARED_FIELDS: [&str; 5] = ["source", "scope", "configuration", "summary", "results"];
    let old = existing.get("results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let timeless = |result: &Value| {
        let mut result = result.clone();
        if let Some(fields) = result.as_object_mut() {
            fields.remove("timestamp");
        }
        result.to_string()
    };
    let known: std::collections::HashMap<String, &Value> =
        old.iter().filter_map(|result| Some((timeless(result), result.get("timestamp")?))).collect();
    for result in wanted.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(time) = known.get(&timeless(result)) {
            let time = (*time).clone();
            if let Some(fields) = result.as_object_mut() {
                fields.insert("timestamp".to_owned(), time);
            }
        }
    }
    let labelled = |report: &Value| report.pointer("/metadata/labels/app.kubernetes.io~1managed-by").cloned();
    let capped = |report: &Value| report.pointer("/metadata/annotations/rolecall.dev~1capped").cloned();
    COMPARED_FIELDS.iter().all(|field| {
        let empty = |value: Option<&Value>| value.filter(|value| **value != Value::Array(Vec::new())).cloned();
        empty(existing.get(field)) == empty(wanted.get(field))
    }) && labelled(existing) == labelled(wanted)
        && capped(existing) == capped(wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_the_time_of_what_was_found_before() {
        let meta = json!({"labels": {"app.kubernetes.io/managed-by": "rolecall"}});
        let result = |rule: &str, seconds: i64| json!({"rule": rule, "timestamp": {"seconds": seconds, "nanos": 0}});
        let report = |results: Value| json!({"metadata": meta, "source": "rolecall", "results": results});
        let existing = report(json!([result("a", 1), result("b", 1)]));
        let mut same = report(json!([result("a", 9), result("b", 9)]));
        assert!(settle(&existing, &mut same));
        assert_eq!(same, existing);
        let mut changed = report(json!([result("a", 9), result("c", 9)]));
        assert!(!settle(&existing, &mut changed));
        assert_eq!(changed["results"], json!([result("a", 1), result("c", 9)]));
        let mut unlabelled = existing.clone();
        unlabelled["metadata"] = json!({});
        assert!(!settle(&unlabelled, &mut same));
    }
}
