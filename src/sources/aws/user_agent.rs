//! How rolecall names itself to AWS: in every request of the SDK, those for credentials included, which no interceptor sees.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::sources::USER_AGENT;

const HEADER: &str = "user-agent";

/// Sends what `T` sends, with the program's name before the SDK's own text. The header is not part of the signature.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl HttpClient for Named<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Named(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for Named<SharedHttpConnector> {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let of_sdk = request.headers().get(HEADER).unwrap_or_default();
        let user_agent = format!("{USER_AGENT} {of_sdk}").trim_end().to_owned();
        request.headers_mut().insert(HEADER, user_agent);
        self.0.call(request)
    }
}
