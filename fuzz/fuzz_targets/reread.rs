//! Any sequence of reviews that ask for links, clients that leave, answers and failures of AWS, and time that passes. It holds:
//! few calls are under way, of a link one; no call begins without a review that waits for it; no client waits behind another client's
//! flood; what is answered is as fresh as promised; and in the end every link can be read again.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rolecall::live::{Confirming, LinkReader, ReadRole, Requester, Rereads};
use rolecall_core::judge::Links;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Calls at one time.
const PLACES: usize = 2;
/// Clients, and as many namespaces, service accounts and roles.
const MANY: u8 = 4;
const REMEMBER: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(8);
const MAX_STEPS: usize = 120;
/// Longer than all that a sequence lets pass.
const LONG: Duration = Duration::from_secs(100_000);

/// AWS, which answers when it is told to.
#[derive(Debug, Default)]
struct Aws {
    /// Calls under way by the link that they read, each with the way to answer it.
    calls: Vec<(String, Option<oneshot::Sender<Option<u8>>>)>,
    /// Links with reviews that wait for them, and how many.
    wanted: BTreeMap<String, usize>,
    /// Roles that an answer named: who reads on is not known here.
    named: BTreeSet<String>,
    begun: usize,
    /// The link of the last review, once its call has begun: after how many others.
    watched: Option<(String, Option<usize>)>,
}

#[derive(Debug, Clone, Default)]
struct Reader(Arc<Mutex<Aws>>);

/// Takes a call out of those under way, however it ends.
struct UnderWay(Reader, String);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.aws().calls.retain(|(link, _)| *link != self.1);
    }
}

impl Reader {
    fn aws(&self) -> MutexGuard<'_, Aws> {
        self.0.lock().unwrap()
    }

    /// A call that waits for its answer: `None` is a failure.
    fn call(&self, link: String) -> impl Future<Output = Option<u8>> + Send + use<> {
        let reader = self.clone();
        async move {
            let (sender, answer) = oneshot::channel();
            {
                let mut aws = reader.aws();
                assert!(aws.calls.iter().all(|(other, _)| *other != link), "two calls for {link} at a time");
                assert!(aws.calls.len() < PLACES, "more calls than places");
                let is_wanted = aws.wanted.get(&link).is_some_and(|count| *count > 0) || aws.named.contains(&link);
                assert!(is_wanted, "no review waits for {link}");
                aws.calls.push((link.clone(), Some(sender)));
                aws.begun += 1;
                let begun = aws.begun;
                if let Some((watched, at)) = &mut aws.watched
                    && *watched == link
                {
                    *at = at.or(Some(begun));
                }
            }
            let _under_way = UnderWay(reader, link);
            answer.await.ok().flatten()
        }
    }
}

fn role_arn(role: u8) -> String {
    format!("arn:aws:iam::111122223333:role/r{role}")
}

fn association_of(namespace: &str, account: &str) -> String {
    format!("association {namespace}/{account}")
}

impl LinkReader for Reader {
    fn role(&self, arn: String, _: bool) -> Boxed<Result<ReadRole, String>> {
        let call = self.call(arn.clone());
        Box::pin(async move {
            call.await.ok_or_else(|| "throttled".to_owned())?;
            Ok(ReadRole { role: Some(json!({"Arn": arn})), policies: Vec::new() })
        })
    }

    fn associations(&self, namespace: String, account: String) -> Boxed<Result<Vec<Value>, String>> {
        let call = self.call(association_of(&namespace, &account));
        let reader = self.clone();
        Box::pin(async move {
            let answer = call.await.ok_or_else(|| "throttled".to_owned())?;
            let role = (answer < 2 * MANY).then(|| role_arn(answer));
            reader.aws().named.extend(role.clone());
            let association = |arn| json!({"namespace": namespace, "serviceAccount": account, "roleArn": arn});
            Ok(role.map(association).into_iter().collect())
        })
    }

    fn provider(&self, _: String, _: String) -> Boxed<Result<Option<Value>, String>> {
        Box::pin(async { Ok(None) })
    }
}

/// A review that waits for its links.
struct Review {
    links: Vec<String>,
    only_new_association: bool,
    asked: Instant,
    deadline: Instant,
    task: JoinHandle<Confirming>,
}

struct Run {
    reader: Reader,
    rereads: Arc<Rereads>,
    reviews: Vec<Review>,
}

impl Run {
    fn new() -> Self {
        let reader = Reader::default();
        let rereads = Arc::new(Rereads::with_places(Arc::new(reader.clone()), REMEMBER, PATIENCE, PLACES));
        Self { reader, rereads, reviews: Vec::new() }
    }

    fn ask(&mut self, requester: Requester, account: &str, roles: u8, is_new: bool, patience: Duration) {
        let roles: BTreeSet<String> = (0..MANY).filter(|role| roles & (1 << role) != 0).map(role_arn).collect();
        let subject = (requester.namespace.clone(), account.to_owned());
        let mut names = vec![association_of(&subject.0, &subject.1)];
        names.extend(roles.iter().cloned());
        let links = Links {
            subject,
            policies: false,
            new_association: is_new,
            issuer: false,
            addons: false,
            fargate_profiles: false,
            roles,
        };
        for name in &names {
            *self.reader.aws().wanted.entry(name.clone()).or_default() += 1;
        }
        let (rereads, asked) = (Arc::clone(&self.rereads), Instant::now());
        let deadline = asked + patience;
        let only_new_association = is_new && names.len() == 1;
        let task = tokio::spawn(async move { rereads.confirm(&links, None, &requester, deadline).await });
        self.reviews.push(Review { links: names, only_new_association, asked, deadline, task });
    }

    /// Lets everything happen that can happen now, and looks at what was answered.
    async fn settle(&mut self) -> Vec<Confirming> {
        for _ in 0..12 {
            tokio::task::yield_now().await;
        }
        let mut answers = Vec::new();
        let mut waiting = Vec::new();
        for review in std::mem::take(&mut self.reviews) {
            if !review.task.is_finished() {
                assert!(Instant::now() <= review.deadline, "a review waits past its deadline");
                waiting.push(review);
                continue;
            }
            self.forget(&review.links);
            let Ok(answer) = review.task.await else { continue };
            if let Confirming::Read { asked, links, .. } = &answer {
                let oldest = if review.only_new_association && links.roles.is_empty() {
                    review.asked
                } else {
                    review.asked.checked_sub(REMEMBER).unwrap_or(review.asked)
                };
                assert!(*asked >= oldest, "an answer is older than promised");
            }
            answers.push(answer);
        }
        self.reviews = waiting;
        answers
    }

    fn forget(&self, links: &[String]) {
        let mut aws = self.reader.aws();
        for link in links {
            *aws.wanted.entry(link.clone()).or_default() -= 1;
        }
    }

    async fn leave(&mut self, which: u8) {
        if self.reviews.is_empty() {
            return;
        }
        let review = self.reviews.swap_remove(usize::from(which) % self.reviews.len());
        review.task.abort();
        let _ = review.task.await;
        self.forget(&review.links);
    }

    fn answer(&self, which: u8, answer: Option<u8>) {
        let mut aws = self.reader.aws();
        let count = aws.calls.len().max(1);
        if let Some((_, sender)) = aws.calls.get_mut(usize::from(which) % count) {
            let _ = sender.take().map(|sender| sender.send(answer));
        }
    }

    /// A review of a client that was not seen before: only the clients that wait already, and the calls under way, may come
    /// before it.
    async fn no_client_starves(&mut self) {
        let stranger = Requester { source: Some(IpAddr::from([10, 0, 1, 1])), namespace: "stranger".to_owned() };
        let begun = {
            let mut aws = self.reader.aws();
            aws.watched = Some((association_of("stranger", "a"), None));
            aws.begun
        };
        self.ask(stranger, "a", 0, false, LONG);
        for _ in 0..1_000 {
            self.settle().await;
            let at = self.reader.aws().watched.as_ref().and_then(|(_, at)| *at);
            if let Some(at) = at {
                let before = at - begun;
                assert!(before <= usize::from(MANY) + 2, "{before} calls began first");
                return;
            }
            self.answer(0, Some(u8::MAX));
        }
        panic!("the stranger's turn never came");
    }

    /// Answers everything; then each link is asked for once more, and must be read.
    async fn ends_well(&mut self) {
        for _ in 0..2_000 {
            self.settle().await;
            if self.reviews.is_empty() && self.reader.aws().calls.is_empty() {
                break;
            }
            self.answer(0, Some(u8::MAX));
        }
        assert!(self.reviews.is_empty(), "{} reviews are not answered", self.reviews.len());
        tokio::time::advance(REMEMBER + Duration::from_millis(1)).await;
        for namespace in 0..MANY {
            let requester = requester(0, namespace);
            for account in 0..MANY {
                self.ask(requester.clone(), &format!("a{account}"), u8::MAX, true, LONG);
            }
        }
        let mut read = 0;
        for _ in 0..2_000 {
            for answer in self.settle().await {
                assert!(matches!(answer, Confirming::Read { .. }), "a link is stuck: {answer:?}");
                read += 1;
            }
            if self.reviews.is_empty() {
                break;
            }
            self.answer(0, Some(u8::MAX));
        }
        assert_eq!(read, usize::from(MANY) * usize::from(MANY), "a link is stuck");
    }
}

fn requester(source: u8, namespace: u8) -> Requester {
    Requester { source: Some(IpAddr::from([10, 0, 0, source % MANY])), namespace: format!("n{}", namespace % MANY) }
}

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut run = Run::new();
        for step in bytes.chunks_exact(3).take(MAX_STEPS) {
            let [kind, one, two] = [step[0], step[1], step[2]];
            match kind % 8 {
                0..=2 => {
                    let patience = Duration::from_millis(u64::from(kind / 8) * 300);
                    run.ask(requester(one, one / 4), &format!("a{}", one / 16 % MANY), two, two >= 128, patience);
                }
                3 => run.answer(one, Some(two)),
                4 => run.answer(one, None),
                5 => run.leave(one).await,
                6 => tokio::time::advance(Duration::from_millis(u64::from(one) * 40)).await,
                // Many of one client at once.
                _ => {
                    for role in 0..16 {
                        run.ask(requester(one, one / 4 + role % 2), &format!("a{}", role % MANY), role, false, LONG);
                    }
                }
            }
            run.settle().await;
        }
        run.no_client_starves().await;
        run.ends_well().await;
    });
});
