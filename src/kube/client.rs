//! The way to the API server.

use std::time::Duration;

use anyhow::Context;
use hyper::header::{HeaderValue, USER_AGENT};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// How long sending a request may take. Waiting for an answer has a limit of its own: a watch has none.
const SENDING: Duration = Duration::from_secs(20);

/// Connects as kubectl would: to the context named, else to the kubeconfig's current one, else, in a pod, with its service
/// account. Asks nothing yet.
///
/// # Errors
/// Where there is no kubeconfig and no service account, or the context is not in it.
pub async fn connect(context: Option<&str>) -> anyhow::Result<Client> {
    let mut config = match context {
        Some(context) => {
            let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
            let kubeconfig = Kubeconfig::read().context("no kubeconfig can be read; set KUBECONFIG")?;
            let known: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
            let known = format!("context {context}: not usable; the kubeconfig has {}", known.join(", "));
            Config::from_custom_kubeconfig(kubeconfig, &options).await.context(known)?
        }
        None => Config::infer()
            .await
            .context("no cluster to talk to: neither a kubeconfig (set KUBECONFIG) nor a pod's service account")?,
    };
    config.connect_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(SENDING);
    config.headers.push((USER_AGENT, HeaderValue::from_static(concat!("rolecall/", env!("CARGO_PKG_VERSION")))));
    Client::try_from(config).context("the API server's address or credentials cannot be used")
}

/// An error of the API server as a sentence: what it refused, and what right would help.
pub fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            format!("{} (grant what deploy/manifests/rbac.yaml has)", status.message)
        }
        kube::Error::Api(status) => status.message.clone(),
        other => {
            let mut sentence = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !sentence.contains(&cause_text) {
                    sentence = format!("{sentence}: {cause_text}");
                }
                source = cause.source();
            }
            sentence
        }
    }
}
