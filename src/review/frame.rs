//! What the start of a review says: enough to answer a review that is not read to its end.
//!
//! The API server writes `uid`, `kind`, `namespace`, `name`, `operation` and `userInfo` before the objects (Go writes fields in
//! the order of `k8s.io/api/admission/v1` AdmissionRequest), so they are in the first few hundred bytes.

use std::fmt;

use rolecall_core::workload::Text;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::request::MAX_UID_BYTES;

/// The fields of a request before its objects, as far as they could be read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frame {
    /// To be sent back.
    pub uid: String,
    /// Group of the kind; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// For instance `ephemeralcontainers`.
    pub sub_resource: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// `CREATE`, `UPDATE`, …
    pub operation: String,
    /// Who asks.
    pub user: String,
}

impl Frame {
    /// Reads the start of a body; `None` where it has no uid.
    pub fn of(start: &[u8]) -> Option<Self> {
        let mut frame = Self::default();
        // It ends in an error where the text was cut, or at the first object: what came before counts.
        let _ = ReviewSeed(&mut frame).deserialize(&mut serde_json::Deserializer::from_slice(start));
        (!frame.uid.is_empty() && frame.uid.len() <= MAX_UID_BYTES).then_some(frame)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GroupKind {
    group: String,
    kind: String,
}

/// Reads into the frame field by field, so that what was read before an error stays.
struct ReviewSeed<'f>(&'f mut Frame);

struct RequestSeed<'f>(&'f mut Frame);

struct UserSeed<'f>(&'f mut Frame);

/// A seed that reads an object by its `visit_map`.
macro_rules! seed_of_object {
    ($seed:ident) => {
        impl<'de> DeserializeSeed<'de> for $seed<'_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_map(self)
            }
        }
    };
}

seed_of_object!(ReviewSeed);
seed_of_object!(RequestSeed);
seed_of_object!(UserSeed);

impl<'de> Visitor<'de> for ReviewSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AdmissionReview")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(key) = fields.next_key::<Text<'de>>()? {
            match key.as_str() {
                "request" => fields.next_value_seed(RequestSeed(self.0))?,
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for RequestSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let frame = self.0;
        while let Some(key) = fields.next_key::<Text<'de>>()? {
            match key.as_str() {
                "uid" => frame.uid = fields.next_value()?,
                "kind" => GroupKind { group: frame.group, kind: frame.kind } = fields.next_value()?,
                "subResource" => frame.sub_resource = fields.next_value()?,
                "namespace" => frame.namespace = fields.next_value()?,
                "name" => frame.name = fields.next_value()?,
                "operation" => frame.operation = fields.next_value()?,
                "userInfo" => fields.next_value_seed(UserSeed(frame))?,
                "object" | "oldObject" => return Err(A::Error::custom("the objects are not read")),
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for UserSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(key) = fields.next_key::<Text<'de>>()? {
            match key.as_str() {
                "username" => self.0.user = fields.next_value()?,
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_review_says_who_and_what() {
        let review = include_str!("../../tests/fixtures/reviews/pod-irsa-create.json");
        let whole: serde_json::Value = serde_json::from_str(review).unwrap();
        let request = &whole["request"];
        // As Go writes it: the fields before the objects in this order.
        let fields =
            ["uid", "kind", "resource", "requestKind", "requestResource", "name", "namespace", "operation", "userInfo"];
        let fields = fields.iter().filter_map(|field| Some(format!("\"{field}\":{}", request.get(*field)?)));
        let start = format!(
            "{{\"kind\":\"AdmissionReview\",\"request\":{{{},\"object\":{{\"metadata\":",
            fields.collect::<Vec<_>>().join(",")
        );
        let frame = Frame::of(start.as_bytes()).unwrap();
        assert_eq!(frame.uid, request["uid"].as_str().unwrap());
        assert_eq!((frame.kind.as_str(), frame.operation.as_str()), ("Pod", "CREATE"));
        assert_eq!(frame.namespace, request["namespace"].as_str().unwrap());
        assert_eq!(frame.user, request["userInfo"]["username"].as_str().unwrap());
        // Wherever it is cut, what came before counts, and nothing is made up.
        for end in 0..start.len() {
            match Frame::of(&start.as_bytes()[..end]) {
                Some(cut) => assert!(cut.uid == frame.uid && (cut.kind.is_empty() || cut.kind == "Pod"), "{end}"),
                None => assert!(end < 120, "{end}"),
            }
        }
    }

    #[test]
    fn without_a_uid_there_is_no_frame() {
        for start in [
            "",
            "{",
            "[]",
            r#"{"request":{"uid":""#,
            r#"{"request":{"uid":7,"#,
            r#"{"request":{"object":{},"uid":"a"}}"#,
        ] {
            assert_eq!(Frame::of(start.as_bytes()), None, "{start}");
        }
        let long = format!(r#"{{"request":{{"uid":"{}","#, "u".repeat(300));
        assert_eq!(Frame::of(long.as_bytes()), None);
    }
}
