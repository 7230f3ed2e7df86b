//! What users may do: SubjectAccessReviews (Kubernetes API reference, authorization.k8s.io/v1).

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use super::explain;
use crate::review::{Access, AccessReviewer, RIGHT, User};

/// Asks the API server's authorizers.
#[derive(Clone)]
pub struct Authorizer(Client);

impl std::fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorizer")
    }
}

impl Authorizer {
    /// Asks through a client.
    pub fn new(client: Client) -> Self {
        Self(client)
    }
}

impl AccessReviewer for Authorizer {
    fn may_lower(&self, user: User, namespace: String) -> BoxFuture<'static, Access> {
        let reviews = Api::<SubjectAccessReview>::all(self.0.clone());
        async move {
            let (group, resource, verb) = RIGHT;
            let attributes = ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some(verb.to_owned()),
                name: Some(namespace.clone()),
                namespace: Some(namespace),
                ..ResourceAttributes::default()
            };
            let spec = SubjectAccessReviewSpec {
                user: Some(user.username),
                uid: Some(user.uid).filter(|uid| !uid.is_empty()),
                groups: Some(user.groups),
                extra: Some(user.extra),
                resource_attributes: Some(attributes),
                ..SubjectAccessReviewSpec::default()
            };
            let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
            match reviews.create(&PostParams::default(), &review).await {
                Ok(SubjectAccessReview { status: Some(status), .. }) if status.allowed => Access::Granted,
                Ok(SubjectAccessReview { status: Some(status), .. }) => match status.evaluation_error {
                    // An authorizer that failed might have granted it.
                    Some(error) if status.denied != Some(true) => Access::Unknown(error),
                    _ => Access::Refused,
                },
                Ok(_) => Access::Unknown("the API server answered without a status".to_owned()),
                Err(error) => Access::Unknown(explain(&error)),
            }
        }
        .boxed()
    }
}
