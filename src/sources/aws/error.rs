//! What may go wrong with a call, told so that the reader knows which call it was, and what to do.

use std::error::Error;

use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// What kind of failure it is.
    pub kind: Failure,
    /// The call, as IAM policies name it: `eks:DescribeCluster`.
    pub call: String,
    /// What it was about: an ARN, or a name.
    pub subject: String,
    /// Where it was asked: `region eu-west-1`, `account 111122223333`; may be empty.
    pub place: String,
    /// What AWS or the network said.
    pub said: String,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The permission is missing.
    Denied,
    /// There is no such thing.
    NotFound,
    /// The credentials have expired.
    Expired,
    /// AWS does not know the credentials.
    BadCredentials,
    /// The SDK's chain found no credentials.
    NoCredentials,
    /// The role of another account could not be assumed.
    NotAssumed,
    /// No region is set.
    NoRegion,
    /// No connection.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// Too many calls, also after all retries.
    Throttled,
    /// AWS failed, also after all retries.
    Server,
    /// The answer is not what the API sends.
    Malformed,
    /// AWS refused for another reason.
    Refused,
}

impl AwsError {
    /// From what the SDK returned.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, call: &str, subject: &str) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (kind, said) = match error {
            SdkError::ServiceError(context) => {
                let error = context.err();
                let status = context.raw().status().as_u16();
                let said = match (error.code(), error.message()) {
                    (Some(code), Some(message)) => format!("{code}: {message}"),
                    (Some(code), None) => code.to_owned(),
                    (None, _) => format!("status {status}, and no error code"),
                };
                (refusal(error.code(), status), said)
            }
            SdkError::TimeoutError(_) => (Failure::TimedOut, "no answer in time".to_owned()),
            SdkError::ResponseError(_) => {
                let said = innermost(error);
                (if cut_off(error) { Failure::Unreachable } else { Failure::Malformed }, said)
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => (Failure::TimedOut, innermost(error)),
            _ => unsent(error),
        };
        let (call, subject) = (call.to_owned(), subject.to_owned());
        Self { kind, call, subject, place: String::new(), said }
    }

    /// From an answer that lacks something.
    pub(super) fn malformed(call: &str, subject: &str, said: impl Into<String>) -> Self {
        let (call, subject) = (call.to_owned(), subject.to_owned());
        Self { kind: Failure::Malformed, call, subject, place: String::new(), said: said.into() }
    }

    pub(super) fn no_region(cluster: &str) -> Self {
        Self {
            kind: Failure::NoRegion,
            call: "eks:DescribeCluster".to_owned(),
            subject: cluster.to_owned(),
            place: String::new(),
            said: String::new(),
        }
    }

    pub(super) fn at(mut self, place: String) -> Self {
        self.place = place;
        self
    }

    /// The same failure would meet every other call too.
    pub fn is_general(&self) -> bool {
        matches!(
            self.kind,
            Failure::Expired
                | Failure::BadCredentials
                | Failure::NoCredentials
                | Failure::NotAssumed
                | Failure::NoRegion
        )
    }

    /// Which of the files of `deploy/iam` grants the call.
    fn policy_file(&self) -> &'static str {
        match self.call.as_str() {
            "sts:AssumeRole" => "cross-account.json",
            "iam:GetAccountAuthorizationDetails" => "account.json",
            "iam:ListRolePolicies"
            | "iam:GetRolePolicy"
            | "iam:ListAttachedRolePolicies"
            | "iam:GetPolicy"
            | "iam:GetPolicyVersion" => "policies.json",
            call if call.starts_with("eks:") => "cluster.json",
            _ => "named.json",
        }
    }
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, call, subject, place, said } = self;
        let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
        match kind {
            Failure::Denied => write!(
                f,
                "{call} on {subject}{place} is not allowed: rolecall's role lacks the permission {call}, which \
                 deploy/iam/{} grants. AWS said: {said}",
                self.policy_file()
            ),
            Failure::NotFound if call == "eks:DescribeCluster" => write!(
                f,
                "{call}: there is no cluster `{subject}`{place}; check --cluster, the region (AWS_REGION) and whose \
                 credentials these are. AWS said: {said}"
            ),
            Failure::NotFound => write!(f, "{call}: there is no {subject}{place}. AWS said: {said}"),
            Failure::Expired => write!(
                f,
                "{call} on {subject}{place}: the credentials have expired; get new ones and try again. AWS said: {said}"
            ),
            Failure::BadCredentials => write!(
                f,
                "{call} on {subject}{place}: AWS does not accept these credentials; check which access key or profile is \
                 set, and that the clock is right. AWS said: {said}"
            ),
            Failure::NoCredentials => write!(
                f,
                "{call} on {subject}{place}: no credentials: neither variables (AWS_ACCESS_KEY_ID), a profile, a web \
                 identity token, Pod Identity nor an instance role gave any: {said}"
            ),
            Failure::NotAssumed => write!(
                f,
                "{call} on {subject}{place}: the role of aws.accounts cannot be assumed: its trust policy must let \
                 rolecall's role in (with its external ID), and rolecall's role needs sts:AssumeRole on it, which \
                 deploy/iam/cross-account.json grants. AWS said: {said}"
            ),
            Failure::NoRegion => {
                write!(f, "{call} on {subject}: no region is set; set AWS_REGION to the cluster's region")
            }
            Failure::Unreachable => write!(
                f,
                "{call} on {subject}{place}: AWS cannot be reached; check the network, the region's name, VPC endpoints \
                 and proxies: {said}"
            ),
            Failure::TimedOut => {
                write!(
                    f,
                    "{call} on {subject}{place}: no answer in time; check the network, or raise aws.timeoutSeconds"
                )
            }
            Failure::Throttled => write!(
                f,
                "{call} on {subject}{place}: AWS throttles, also after all retries; lower aws.rates, or share one \
                 snapshot. AWS said: {said}"
            ),
            Failure::Server => {
                write!(f, "{call} on {subject}{place}: AWS failed, also after all retries. AWS said: {said}")
            }
            Failure::Malformed => write!(
                f,
                "{call} on {subject}{place}: the answer is not what the API sends; is there a proxy between? {said}"
            ),
            Failure::Refused => write!(f, "{call} on {subject}{place}: AWS refused: {said}"),
        }
    }
}

impl Error for AwsError {}

/// Codes of IAM, STS and EKS ("Common errors" of their API references).
fn refusal(code: Option<&str>, status: u16) -> Failure {
    match code.unwrap_or_default() {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "NotAuthorized" => Failure::Denied,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => Failure::Expired,
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidAccessKeyId" => Failure::BadCredentials,
        "NoSuchEntity" | "NoSuchEntityException" | "ResourceNotFoundException" | "NotFoundException" => {
            Failure::NotFound
        }
        "Throttling" | "ThrottlingException" | "TooManyRequestsException" | "RequestLimitExceeded" => {
            Failure::Throttled
        }
        _ if status == 429 => Failure::Throttled,
        _ if status >= 500 => Failure::Server,
        "" if status < 400 => Failure::Malformed,
        _ => Failure::Refused,
    }
}

/// What failed before or while sending: credentials, the region, the connection.
fn unsent<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> (Failure, String) {
    let mut causes = Vec::new();
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if let Some(refused) = found.downcast_ref::<AssumeRoleError>() {
            let (code, message) = (refused.code().unwrap_or_default(), refused.message().unwrap_or_default());
            return match refusal(Some(code), 400) {
                kind @ (Failure::Expired | Failure::BadCredentials | Failure::Throttled) => {
                    (kind, format!("sts:AssumeRole: {code}: {message}"))
                }
                _ => (Failure::NotAssumed, format!("sts:AssumeRole: {code}: {message}")),
            };
        }
        causes.push(found.to_string());
        cause = found.source();
    }
    let says = |words: &[&str]| causes.iter().any(|cause| words.iter().any(|word| cause.contains(word)));
    let kind = if says(&["region must be set", "Missing Region", "A region"]) {
        Failure::NoRegion
    } else if says(&["credential", "identity resolver", "identity cache"]) {
        Failure::NoCredentials
    } else if says(&["timed out", "timeout"]) {
        Failure::TimedOut
    } else {
        Failure::Unreachable
    };
    (kind, causes.pop().unwrap_or_default())
}

/// The connection broke within the answer.
fn cut_off(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(found) = cause {
        let text = found.to_string();
        if ["connection", "body from connection", "unexpected end of file", "IncompleteMessage", "streaming"]
            .iter()
            .any(|word| text.contains(word))
        {
            return true;
        }
        cause = found.source();
    }
    false
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
