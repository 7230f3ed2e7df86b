//! What can go wrong between a client and AWS, as a script.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::call::Call;

/// One thing that goes wrong, for which calls and how often. For ever where [`Fault::times`] does not say.
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until a proxy has it"]
pub struct Fault {
    action: String,
    account: Option<String>,
    parameters: Vec<(String, String)>,
    skip: u32,
    left: Option<u32>,
    pub(crate) kind: Kind,
}

/// From a call and the answer's body to another body.
type Change = dyn Fn(&Call, String) -> String + Send + Sync;

#[derive(Clone)]
pub(crate) enum Kind {
    /// Wait, then go on.
    Delay(Duration),
    /// Change what the emulator answered.
    Rewrite(Arc<Change>),
    /// Close the connection without an answer.
    CutBefore,
    /// Close the connection in the middle of the emulator's answer.
    CutWithin,
    /// The first half of the answer, whole by its headers.
    Truncate,
    /// An answer that is neither XML nor JSON, with status 200.
    Malformed,
    /// An error of AWS's, in the service's protocol: IAM and STS as XML, EKS as JSON.
    Error { iam: (u16, &'static str), eks: (u16, &'static str), message: Message },
    /// Whatever a test wants.
    Answer(u16, String),
}

/// The text of an error.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Said(&'static str),
    /// AWS's own, which names caller, action and resource.
    NotAuthorized,
}

impl fmt::Debug for Kind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(time) => write!(to, "Delay({time:?})"),
            Self::Rewrite(_) => to.write_str("Rewrite"),
            Self::CutBefore => to.write_str("CutBefore"),
            Self::CutWithin => to.write_str("CutWithin"),
            Self::Truncate => to.write_str("Truncate"),
            Self::Malformed => to.write_str("Malformed"),
            Self::Error { iam, eks, message } => write!(to, "Error({iam:?}, {eks:?}, {message:?})"),
            Self::Answer(status, body) => write!(to, "Answer({status}, {} bytes)", body.len()),
        }
    }
}

impl Fault {
    /// `action` is a call's (`iam:GetRole`), all of a service's (`iam:*`) or any (`*`).
    fn new(action: &str, kind: Kind) -> Self {
        Self { action: action.to_owned(), account: None, parameters: Vec::new(), skip: 0, left: None, kind }
    }

    fn error(action: &str, iam: (u16, &'static str), eks: (u16, &'static str), message: Message) -> Self {
        Self::new(action, Kind::Error { iam, eks, message })
    }

    /// Too many calls. IAM and STS: 400 `Throttling`; EKS: 429 `TooManyRequestsException`; S3: 503 `SlowDown`.
    pub fn throttle(action: &str) -> Self {
        let message = Message::Said("Rate exceeded");
        Self::error(action, (400, "Throttling"), (429, "TooManyRequestsException"), message)
    }

    /// 500, the service's own failure.
    pub fn server_error(action: &str) -> Self {
        let message = Message::Said("The request processing has failed because of an unknown error.");
        Self::error(action, (500, "ServiceFailure"), (500, "ServerException"), message)
    }

    /// 503, the service is away.
    pub fn unavailable(action: &str) -> Self {
        let message = Message::Said("Service is unavailable.");
        Self::error(action, (503, "ServiceUnavailable"), (503, "ServiceUnavailableException"), message)
    }

    /// The caller's session is over.
    pub fn expired_token(action: &str) -> Self {
        let message = Message::Said("The security token included in the request is expired");
        Self::error(action, (403, "ExpiredToken"), (403, "ExpiredTokenException"), message)
    }

    /// The access key is unknown to AWS.
    pub fn unknown_key(action: &str) -> Self {
        let message = Message::Said("The security token included in the request is invalid.");
        Self::error(action, (403, "InvalidClientTokenId"), (403, "UnrecognizedClientException"), message)
    }

    /// The caller may not: with AWS's text, which names caller, action and resource.
    pub fn access_denied(action: &str) -> Self {
        Self::error(action, (403, "AccessDenied"), (403, "AccessDeniedException"), Message::NotAuthorized)
    }

    /// The answer comes late.
    pub fn delay(action: &str, time: Duration) -> Self {
        Self::new(action, Kind::Delay(time))
    }

    /// The connection closes without an answer; the emulator never sees the call.
    pub fn cut_before(action: &str) -> Self {
        Self::new(action, Kind::CutBefore)
    }

    /// The connection closes in the middle of the answer; the call has happened.
    pub fn cut_within(action: &str) -> Self {
        Self::new(action, Kind::CutWithin)
    }

    /// Half of the answer with a matching Content-Length: XML or JSON that ends early.
    pub fn truncate(action: &str) -> Self {
        Self::new(action, Kind::Truncate)
    }

    /// Status 200 and a page that is neither XML nor JSON, as a captive portal sends it.
    pub fn malformed(action: &str) -> Self {
        Self::new(action, Kind::Malformed)
    }

    /// An answer of the test's own; the emulator never sees the call.
    pub fn answer(action: &str, status: u16, body: &str) -> Self {
        Self::new(action, Kind::Answer(status, body.to_owned()))
    }

    /// The emulator's answer, changed.
    pub fn rewrite(action: &str, change: impl Fn(&Call, String) -> String + Send + Sync + 'static) -> Self {
        Self::new(action, Kind::Rewrite(Arc::new(change)))
    }

    /// Only so many calls; then the fault is spent.
    pub fn times(mut self, count: u32) -> Self {
        self.left = Some(count);
        self
    }

    /// Only once.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Not the first so many calls: the third page is `after(2)`.
    pub fn after(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Only calls of this account.
    pub fn account(mut self, id: &str) -> Self {
        self.account = Some(id.to_owned());
        self
    }

    /// Only calls with this parameter: `with("RoleName", "carts")`.
    pub fn with(mut self, parameter: &str, value: &str) -> Self {
        self.parameters.push((parameter.to_owned(), value.to_owned()));
        self
    }

    /// Whether it is for this call at all.
    pub(crate) fn concerns(&self, call: &Call) -> bool {
        let action = self.action == "*"
            || self.action == call.action
            || self.action.strip_suffix('*').is_some_and(|start| call.action.starts_with(start));
        action
            && self.account.as_ref().is_none_or(|account| *account == call.account)
            && self.parameters.iter().all(|(name, value)| call.parameter(name) == Some(value))
    }

    /// Counts a call it is for; whether it strikes.
    pub(crate) fn strikes(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// An error in the words and the shape of the service that was called.
///
/// Sources: IAM and STS API reference, "Common errors"; EKS API reference, "Common errors" and each action's; S3 API reference,
/// "Error responses".
pub(crate) fn error_answer(
    call: &Call,
    iam: (u16, &'static str),
    eks: (u16, &'static str),
    message: &Message,
) -> (u16, &'static str, Option<&'static str>, String) {
    let text = match message {
        Message::Said(text) => (*text).to_owned(),
        Message::NotAuthorized => {
            let who = format!("arn:aws:sts::{}:assumed-role/rolecall/rolecall", call.account);
            let action = &call.action;
            // IAM says `role carts` where other services give the ARN.
            let resource = match (call.service.as_str(), call.parameter("RoleName")) {
                ("iam", Some(role)) => format!("role {role}"),
                _ => call.resource(),
            };
            format!(
                "User: {who} is not authorized to perform: {action} on resource: {resource} because no identity-based policy \
                 allows the {action} action"
            )
        }
    };
    match call.service.as_str() {
        "eks" => {
            let body = serde_json::json!({ "message": text }).to_string();
            (eks.0, "application/json", Some(eks.1), body)
        }
        "s3" => {
            let (status, code) = if iam.1 == "Throttling" { (503, "SlowDown") } else { iam };
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{text}</Message>\
                 <RequestId>0123456789ABCDEF</RequestId></Error>"
            );
            (status, "application/xml", None, body)
        }
        service => {
            let (status, code) = iam;
            let space = match service {
                "sts" => "https://sts.amazonaws.com/doc/2011-06-15/",
                _ => "https://iam.amazonaws.com/doc/2010-05-08/",
            };
            let side = if status < 500 { "Sender" } else { "Receiver" };
            let body = format!(
                "<ErrorResponse xmlns=\"{space}\"><Error><Type>{side}</Type><Code>{code}</Code><Message>{text}</Message>\
                 </Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
            );
            (status, "text/xml", None, body)
        }
    }
}
