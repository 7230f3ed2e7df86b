//! How the two things are that give pods their identities: AWS's injector, and the agent of Pod Identity.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The agent's DaemonSet.
pub(super) const AGENT: (&str, &str) = ("kube-system", "eks-pod-identity-agent");

/// Agent and injector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The agent of Pod Identity.
    pub agent: AgentHealth,
    /// AWS's injector.
    pub injector: InjectorHealth,
}

/// The agent of Pod Identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentHealth {
    /// How it is.
    pub state: AgentState,
    /// Namespace of its DaemonSet.
    pub namespace: &'static str,
    /// Name of its DaemonSet.
    pub name: &'static str,
    /// Nodes that it is to run on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<u64>,
    /// Nodes on which it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<u64>,
}

/// How the agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentState {
    /// On every node that it is to run on.
    Ready,
    /// Not on all of them.
    Degraded,
    /// On none.
    Down,
    /// There is no node for it.
    NoNodes,
    /// The nodes of Auto Mode have it built in.
    BuiltIn,
    /// There is no DaemonSet.
    Missing,
    /// It could not be read.
    Unknown,
}

/// AWS's injector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InjectorHealth {
    /// How it is.
    pub state: InjectorState,
    /// Name of its MutatingWebhookConfiguration.
    pub name: String,
    /// Its webhooks.
    pub webhooks: Vec<WebhookHealth>,
}

/// How the injector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InjectorState {
    /// Its configuration is there.
    Present,
    /// It is not, or has no webhooks.
    Missing,
    /// It could not be read.
    Unknown,
}

/// A webhook of the injector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookHealth {
    /// Its name.
    pub name: String,
    /// What happens to pods while it does not answer: `Ignore` or `Fail`.
    pub failure_policy: String,
    /// The namespaces whose pods it sees.
    pub namespaces: String,
    /// The pods that it sees there.
    pub pods: String,
}

impl AgentHealth {
    fn new(state: AgentState) -> Self {
        Self { state, namespace: AGENT.0, name: AGENT.1, desired: None, ready: None }
    }

    /// There is no DaemonSet.
    pub(super) fn missing() -> Self {
        Self::new(AgentState::Missing)
    }

    /// It could not be read.
    pub(super) fn unknown() -> Self {
        Self::new(AgentState::Unknown)
    }

    /// Reads its DaemonSet.
    pub(super) fn of(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct DaemonSet {
            #[serde(default)]
            status: Status,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Status {
            desired_number_scheduled: u64,
            number_ready: u64,
        }
        let DaemonSet { status: Status { desired_number_scheduled: desired, number_ready: ready } } =
            serde_json::from_str(text)?;
        let state = match (desired, ready) {
            (0, _) => AgentState::NoNodes,
            (_, 0) => AgentState::Down,
            _ if ready < desired => AgentState::Degraded,
            _ => AgentState::Ready,
        };
        Ok(Self { desired: Some(desired), ready: Some(ready), ..Self::new(state) })
    }
}

impl InjectorHealth {
    /// There is no configuration.
    pub(super) fn missing(name: &str) -> Self {
        Self { state: InjectorState::Missing, name: name.to_owned(), webhooks: Vec::new() }
    }

    /// It could not be read.
    pub(super) fn unknown(name: &str) -> Self {
        Self { state: InjectorState::Unknown, ..Self::missing(name) }
    }

    /// Reads its MutatingWebhookConfiguration.
    pub(super) fn of(name: &str, text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Configuration {
            #[serde(default)]
            webhooks: Vec<Webhook>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Webhook {
            name: String,
            #[serde(default)]
            failure_policy: Option<String>,
            #[serde(default)]
            namespace_selector: Value,
            #[serde(default)]
            object_selector: Value,
        }
        let Configuration { webhooks } = serde_json::from_str(text)?;
        let webhooks: Vec<WebhookHealth> = webhooks
            .into_iter()
            .map(|webhook| WebhookHealth {
                name: webhook.name,
                failure_policy: webhook.failure_policy.unwrap_or_else(|| "Fail".to_owned()),
                namespaces: selected(&webhook.namespace_selector),
                pods: selected(&webhook.object_selector),
            })
            .collect();
        let state = if webhooks.is_empty() { InjectorState::Missing } else { InjectorState::Present };
        Ok(Self { state, name: name.to_owned(), webhooks })
    }
}

/// A label selector in words, as `kubectl get -l` takes it; `all` where it selects everything.
fn selected(selector: &Value) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut parts: Vec<String> = Vec::new();
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        parts.push(format!("{key}={}", text(Some(value))));
    }
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = text(expression.get("key"));
        let values = expression.get("values").and_then(Value::as_array);
        let values = values.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
        parts.push(match text(expression.get("operator")).as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key,
            "DoesNotExist" => format!("!{key}"),
            other => format!("{key} {other} ({values})"),
        });
    }
    if parts.is_empty() { "all".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_many_agents_are_ready() {
        let state = |desired: u64, ready: u64| {
            let status = serde_json::json!({"desiredNumberScheduled": desired, "numberReady": ready});
            AgentHealth::of(&serde_json::json!({ "status": status }).to_string()).unwrap().state
        };
        assert_eq!(state(3, 3), AgentState::Ready);
        assert_eq!(state(3, 2), AgentState::Degraded);
        assert_eq!(state(3, 0), AgentState::Down);
        assert_eq!(state(0, 0), AgentState::NoNodes);
    }

    #[test]
    fn says_what_the_injector_sees() {
        let text = serde_json::json!({"webhooks": [{
            "name": "iam-for-pods.amazonaws.com", "failurePolicy": "Ignore", "namespaceSelector": {},
            "objectSelector": {"matchExpressions": [{"key": "eks.amazonaws.com/skip-pod-identity-webhook",
                "operator": "DoesNotExist"}, {"key": "tier", "operator": "In", "values": ["a", "b"]}]}
        }]});
        let injector = InjectorHealth::of("pod-identity-webhook", &text.to_string()).unwrap();
        let webhook = injector.webhooks.first().unwrap();
        assert_eq!((&*webhook.failure_policy, &*webhook.namespaces), ("Ignore", "all"));
        assert_eq!(webhook.pods, "!eks.amazonaws.com/skip-pod-identity-webhook, tier in (a,b)");
        assert_eq!(InjectorHealth::of("x", "{}").unwrap().state, InjectorState::Missing);
    }
}
