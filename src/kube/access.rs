//! What users may do: SubjectAccessReviews (Kubernetes API reference, authorization.k8s.io/v1).
//!
//! Every client of the webhook can make it ask: equal questions share one request, and few are asked at one time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use super::explain;
use crate::live::Flights;
use crate::review::{Access, AccessReviewer, RIGHT, User};

/// Questions at one time, or answered within [`REMEMBER`].
const MAX_QUESTIONS: usize = 64;
/// For so long an answer serves equal questions.
const REMEMBER: Duration = Duration::from_secs(1);
/// How long the API server may take for one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest name, groups and extra fields of a user, together: they are sent to the API server.
const MAX_USER_BYTES: usize = 64 << 10;

/// Asks the API server's authorizers.
#[derive(Clone)]
pub struct Authorizer {
    client: Client,
    questions: Arc<Questions>,
}

impl std::fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorizer")
    }
}

impl Authorizer {
    /// Asks through a client.
    pub fn new(client: Client) -> Self {
        Self { client, questions: Arc::new(Questions::new()) }
    }
}

/// Questions that are being asked.
struct Questions(Flights<(User, String), Access>);

impl Questions {
    fn new() -> Self {
        Self(Flights::new(REMEMBER, |access| !matches!(access, Access::Unknown(_)), MAX_QUESTIONS))
    }

    /// Asks, or shares the answer to an equal question.
    async fn ask<F>(&self, user: User, namespace: String, ask: impl FnOnce(User, String) -> F) -> Access
    where
        F: Future<Output = Access> + Send + 'static,
    {
        let bytes = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
        let extra = user.extra.iter().map(|(key, values)| key.len() + bytes(values)).sum::<usize>();
        if user.username.len() + user.uid.len() + bytes(&user.groups) + extra > MAX_USER_BYTES {
            return Access::Unknown(format!("the user's name and groups are longer than {MAX_USER_BYTES} bytes"));
        }
        let lost = Access::Unknown("the request broke off".to_owned());
        let asking = |_| ask(user.clone(), namespace.clone());
        let key = (user.clone(), namespace.clone());
        match self.0.join(key, self.0.since(), asking, lost) {
            Some(flight) => flight.await.1,
            None => Access::Unknown(format!("{MAX_QUESTIONS} other access reviews are under way")),
        }
    }
}

impl AccessReviewer for Authorizer {
    fn may_lower(&self, user: User, namespace: String) -> BoxFuture<'static, Access> {
        let Self { client, questions } = self.clone();
        async move {
            let ask = |user, namespace| async move {
                let late = |_| Access::Unknown("the API server did not answer in time".to_owned());
                tokio::time::timeout(REQUEST_TIMEOUT, review(client, user, namespace)).await.unwrap_or_else(late)
            };
            questions.ask(user, namespace, ask).await
        }
        .boxed()
    }
}

async fn review(client: Client, user: User, namespace: String) -> Access {
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
    match Api::<SubjectAccessReview>::all(client).create(&PostParams::default(), &review).await {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    fn user(name: &str) -> User {
        User { username: name.to_owned(), ..User::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn equal_questions_are_asked_once_and_few_at_one_time() {
        let (questions, asked) = (Arc::new(Questions::new()), Arc::new(AtomicUsize::new(0)));
        let ask = |name: String| {
            let asked = Arc::clone(&asked);
            questions.ask(user(&name), "carts".to_owned(), move |_, _| async move {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(500)).await;
                Access::Refused
            })
        };
        let same = join_all((0..1_000).map(|_| ask("eve".to_owned()))).await;
        assert!(same.iter().all(|access| *access == Access::Refused));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let many = join_all((0..1_000).map(|n| ask(format!("user-{n}")))).await;
        let refused = many.iter().filter(|access| **access == Access::Refused).count();
        assert!(refused <= MAX_QUESTIONS && asked.load(Ordering::Relaxed) <= 1 + MAX_QUESTIONS, "{refused}");
        tokio::time::advance(2 * REMEMBER).await;
        assert_eq!(ask("eve".to_owned()).await, Access::Refused);
        assert!(asked.load(Ordering::Relaxed) > refused, "an old answer does not serve");
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_of_a_megabyte_is_not_asked_about() {
        let groups = vec!["g".repeat(1 << 20)];
        let user = User { groups, ..user("eve") };
        let access = Questions::new().ask(user, "carts".to_owned(), |_, _| async { Access::Granted }).await;
        assert!(matches!(access, Access::Unknown(reason) if reason.contains("longer than")));
    }
}
