//! Reading the identities that an object names.

use serde::Deserialize;
use serde_json::Value;

use super::path::{self, At, Place, joined, places, text};
use super::table::{Alternative, AudienceAt, CustomKind, HopAt, NamespaceAt, RoleAt, Scope, Test, WhoAt};
use crate::workload::{Metadata, Text};

/// Most roles that are assumed one after another.
const MAX_HOPS: usize = 16;
/// Most session tags (STS API, `AssumeRole`).
const MAX_TAGS: usize = 50;

/// Whose credentials a controller uses first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who<'o> {
    /// A token of this service account.
    Account {
        /// Its namespace; `None` where that of whoever uses the object counts, or a setting of the controller.
        namespace: Option<&'o str>,
        /// What that setting mostly is.
        usual_namespace: Option<&'static str>,
        /// Its name.
        name: &'o str,
        /// Which role the token is for.
        role: RoleOf<'o>,
        /// Which audience it has.
        audience: AudienceOf<'o>,
        /// Older versions of the controller may not use the service account for AWS.
        may_be_unused: bool,
    },
    /// The controller's own identity, with which this role is assumed.
    Controller {
        /// The role's ARN; `None` where the controller keeps its own.
        role: Option<&'o str>,
    },
    /// Keys.
    Keys,
    /// The service account of each workload that uses the object.
    Workload,
    /// The controller refuses the object: a field is absent that it requires.
    Without {
        /// Its path.
        path: String,
    },
    /// The controller refuses the object: of these two fields it may have one.
    Both {
        /// The paths of both.
        paths: [String; 2],
    },
}

/// Which role a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleOf<'o> {
    /// That of the service account's annotation, which must be there.
    Annotation,
    /// The same, where there is one.
    AnnotationIfAny,
    /// This one.
    Field(&'o str),
}

/// Which audience a token has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudienceOf<'o> {
    /// This one.
    Is(&'o str),
    /// That of the service account's annotation, else `sts.amazonaws.com`.
    Annotation,
    /// Several: which of them STS takes is not documented.
    Several,
}

/// A role that is assumed with the credentials of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedRole<'o> {
    /// Its ARN.
    pub arn: &'o str,
    /// The external ID that is sent.
    pub external_id: Option<&'o str>,
    /// The session tags that are sent: keys and values.
    pub tags: Vec<(&'o str, &'o str)>,
}

/// An identity that an object names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'o> {
    /// Where in the object.
    pub path: String,
    /// Whose credentials are used first.
    pub who: Who<'o>,
    /// Roles that are assumed after that, one with the credentials of the other.
    pub then: Vec<AssumedRole<'o>>,
}

impl<'o> Reference<'o> {
    /// The texts that it was read from.
    pub fn texts(&self) -> impl Iterator<Item = &'o str> {
        let mut texts = Vec::new();
        match &self.who {
            Who::Account { namespace, name, role, audience, .. } => {
                texts.push(*name);
                texts.extend(*namespace);
                if let RoleOf::Field(role) = role {
                    texts.push(role);
                }
                if let AudienceOf::Is(audience) = audience {
                    texts.push(audience);
                }
            }
            Who::Controller { role } => texts.extend(*role),
            Who::Keys | Who::Workload | Who::Without { .. } | Who::Both { .. } => {}
        }
        for role in &self.then {
            texts.push(role.arn);
            texts.extend(role.external_id);
        }
        texts.into_iter()
    }

    /// The service account whose token is requested: its namespace, where it is known, and its name.
    pub fn account(&self) -> Option<(Option<&'o str>, &'o str)> {
        match self.who {
            Who::Account { namespace, name, .. } => Some((namespace, name)),
            _ => None,
        }
    }

    /// Whether it says nothing but that the controller brings its own identity.
    pub fn is_bare(&self) -> bool {
        matches!(self.who, Who::Controller { role: None } | Who::Keys | Who::Workload) && self.then.is_empty()
    }
}

/// What was read of an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading<'o> {
    /// The identities that it names.
    pub references: Vec<Reference<'o>>,
    /// Paths of fields that have another type than the CustomResourceDefinition says.
    pub malformed: Vec<String>,
    /// There are more identities, roles of one identity, or session tags than are read of one object.
    pub more: bool,
}

impl Reading<'_> {
    /// Whether the controller calls AWS with its own identity.
    pub fn uses_controller(&self) -> bool {
        self.references.iter().any(|reference| matches!(reference.who, Who::Controller { .. }))
    }

    /// Whether the object says nothing about AWS.
    pub fn is_empty(&self) -> bool {
        self.references.is_empty() && self.malformed.is_empty() && !self.more
    }
}

impl CustomKind {
    /// Metadata of an object; `None` where a field of it has another type than Kubernetes says.
    pub fn metadata<'o>(&self, object: &'o Value) -> Option<Metadata<'o>> {
        match object.get("metadata") {
            None | Some(Value::Null) => Some(Metadata::default()),
            Some(metadata) => Metadata::deserialize(metadata).ok(),
        }
    }

    /// The namespace of an object; empty for what belongs to the cluster.
    pub fn namespace<'o>(&self, metadata: &'o Metadata<'_>) -> &'o str {
        let named = metadata.namespace.as_ref().map(Text::as_str).filter(|namespace| !namespace.is_empty());
        match self.scope {
            Scope::Cluster => "",
            Scope::Namespaced => named.unwrap_or("default"),
        }
    }

    /// Reads an object of this kind.
    pub fn read<'o>(&'static self, object: &'o Value) -> Reading<'o> {
        let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let version = version.rsplit_once('/').map_or(version, |(_, version)| version);
        let namespace = match text(object, "metadata.namespace") {
            At::Is(namespace) => namespace,
            At::Absent | At::Malformed => "default",
        };
        let mut reading = Reading::default();
        for base in self.bases {
            let found = places(object, base.at);
            reading.more |= found.more;
            reading.malformed.extend(found.malformed.into_iter().filter(|_| !self.is_mostly_other()));
            for place in &found.found {
                if !place.value.is_object() {
                    if !self.is_mostly_other() {
                        reading.malformed.push(place.path.clone());
                    }
                    continue;
                }
                let Some(alternative) = base.alternatives.iter().find(|one| one.holds(place.value)) else { continue };
                let mut reader = Reader { place, more: false, namespace, version, malformed: Vec::new() };
                if let Some(reference) = reader.reference(alternative) {
                    reading.references.push(reference);
                }
                reading.more |= reader.more;
                reading.malformed.append(&mut reader.malformed);
            }
        }
        reading
    }

    /// Whether most objects of the kind have nothing to do with the table.
    fn is_mostly_other(&self) -> bool {
        self.listed == super::Listed::Never
    }
}

impl Alternative {
    fn holds(&self, base: &Value) -> bool {
        self.when.iter().all(|test| match *test {
            Test::Present(at) => path::value(base, at) != At::Absent && text(base, at) != At::Absent,
            Test::Is(at, wanted) => text(base, at) == At::Is(wanted),
            Test::StartsWith(at, start) => matches!(text(base, at), At::Is(text) if text.starts_with(start)),
        })
    }
}

/// Reads one base.
struct Reader<'r, 'o> {
    place: &'r Place<'o>,
    /// There is more than is read.
    more: bool,
    namespace: &'o str,
    version: &'o str,
    malformed: Vec<String>,
}

impl<'o> Reader<'_, 'o> {
    fn path(&self, further: &str) -> String {
        joined(&self.place.path, further)
    }

    /// The text at a path; what has another type is noted, and ends the reading of this identity.
    fn text(&mut self, at: &str) -> Result<Option<&'o str>, ()> {
        match text(self.place.value, at) {
            At::Is(text) => Ok(Some(text)),
            At::Absent => Ok(None),
            At::Malformed => {
                self.malformed.push(self.path(at));
                Err(())
            }
        }
    }

    /// The texts of a list.
    fn texts(&mut self, at: &str) -> Result<Vec<&'o str>, ()> {
        let items = match path::value(self.place.value, at) {
            At::Absent => return Ok(Vec::new()),
            At::Is(Value::Array(items)) => items.iter().take(path::MAX_PLACES).map(Value::as_str).collect(),
            At::Is(_) | At::Malformed => None,
        };
        items.ok_or_else(|| self.malformed.push(self.path(at)))
    }

    fn reference(&mut self, alternative: &'static Alternative) -> Option<Reference<'o>> {
        let who = match alternative.excludes {
            Some(other) if self.text(other).ok()?.is_some() => {
                Who::Both { paths: [self.path(other), self.path("identityOwner")] }
            }
            _ => self.who(&alternative.who).ok()?,
        };
        let then = self.hops(alternative.hops).ok()?;
        Some(Reference { path: self.place.path.clone(), who, then })
    }

    fn who(&mut self, who: &'static WhoAt) -> Result<Who<'o>, ()> {
        let (name_at, namespace, role, audience, versions) = match who {
            WhoAt::Controller { role } => {
                let role = match role {
                    Some(at) => self.text(at)?,
                    None => None,
                };
                return Ok(Who::Controller { role });
            }
            WhoAt::Keys => return Ok(Who::Keys),
            WhoAt::Workload => return Ok(Who::Workload),
            WhoAt::Account { name, namespace, role, audience, unless_version } => {
                (*name, *namespace, *role, *audience, *unless_version)
            }
        };
        let Some(name) = self.text(name_at)? else {
            return Ok(Who::Without { path: self.path(name_at) });
        };
        let mut usual_namespace = None;
        let namespace = match namespace {
            NamespaceAt::Object => Some(self.namespace),
            NamespaceAt::Field(at) => self.text(at)?,
            NamespaceAt::Required(at) => match self.text(at)? {
                None => return Ok(Who::Without { path: self.path(at) }),
                namespace => namespace,
            },
            NamespaceAt::User => None,
            NamespaceAt::Setting(usual) => {
                usual_namespace = Some(usual);
                None
            }
        };
        let role = match role {
            RoleAt::Annotation => RoleOf::Annotation,
            RoleAt::AnnotationIfAny => RoleOf::AnnotationIfAny,
            RoleAt::Field(at) => match self.text(at)? {
                None => return Ok(Who::Without { path: self.path(at) }),
                Some(role) => RoleOf::Field(role),
            },
        };
        let audience = self.audience(audience)?;
        let may_be_unused = versions.contains(&self.version);
        Ok(Who::Account { namespace, usual_namespace, name, role, audience, may_be_unused })
    }

    fn audience(&mut self, audience: AudienceAt) -> Result<AudienceOf<'o>, ()> {
        Ok(match audience {
            AudienceAt::Sts => AudienceOf::Is(STS),
            AudienceAt::AnnotationAnd(at) => match self.texts(at)?.as_slice() {
                [] => AudienceOf::Annotation,
                _ => AudienceOf::Several,
            },
            AudienceAt::FieldElseSts(at) => match self.texts(at)?.as_slice() {
                [] => AudienceOf::Is(STS),
                [one] => AudienceOf::Is(one),
                _ => AudienceOf::Several,
            },
        })
    }

    fn hops(&mut self, hops: &'static [HopAt]) -> Result<Vec<AssumedRole<'o>>, ()> {
        let mut roles = Vec::new();
        for hop in hops {
            let found = places(self.place.value, hop.at);
            if let Some(path) = found.malformed.first() {
                self.malformed.push(self.path(path));
                return Err(());
            }
            // Which role comes last is then not known.
            if found.more || roles.len() + found.found.len() > MAX_HOPS {
                self.more = true;
                return Err(());
            }
            for place in found.found {
                let place = Place { path: self.path(&place.path), value: place.value };
                let (namespace, version) = (self.namespace, self.version);
                let mut of_hop = Reader { place: &place, more: false, namespace, version, malformed: Vec::new() };
                let role = of_hop.hop(hop);
                self.malformed.append(&mut of_hop.malformed);
                self.more |= of_hop.more;
                roles.extend(role?);
            }
        }
        Ok(roles)
    }

    /// One role; `None` where its ARN is absent.
    fn hop(&mut self, hop: &'static HopAt) -> Result<Option<AssumedRole<'o>>, ()> {
        let Some(arn) = self.text(hop.role)? else { return Ok(None) };
        let external_id = match hop.external_id {
            Some(at) => self.text(at)?,
            None => None,
        };
        let mut tags = Vec::new();
        if let Some(named) = &hop.tags {
            let found = places(self.place.value, named.at);
            // STS refuses more tags.
            if found.more || found.found.len() > MAX_TAGS {
                self.more = true;
                return Err(());
            }
            for place in &found.found {
                let of = |at: &str| match text(place.value, at) {
                    At::Is(text) => Some(text),
                    At::Absent => Some(""),
                    At::Malformed => None,
                };
                tags.extend(of(named.key).zip(of(named.value)));
            }
            if !found.malformed.is_empty() || tags.len() < found.found.len() {
                self.malformed.push(self.path(named.at));
                return Err(());
            }
        }
        Ok(Some(AssumedRole { arn, external_id, tags }))
    }
}

/// The audience of tokens for STS.
const STS: &str = "sts.amazonaws.com";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{all, find};
    use super::*;

    fn kind(api_version: &str, kind: &str) -> &'static CustomKind {
        find(api_version, kind).unwrap()
    }

    #[test]
    fn no_value_of_another_type_ends_the_reading() {
        let values = [json!(null), json!(7), json!("text"), json!([]), json!([7, null, "x"]), json!({}), json!(true)];
        for known in all() {
            let paths = known.paths().flat_map(|path| {
                let parts: Vec<&str> = path.split('.').collect();
                (1..=parts.len()).map(move |count| parts[..count].join("."))
            });
            for path in paths {
                for value in &values {
                    let mut object = value.clone();
                    for part in path.split('.').rev() {
                        object = match part.strip_suffix("[]") {
                            Some(list) => json!({list: [object]}),
                            None => json!({part: object}),
                        };
                    }
                    let _ = known.read(&object);
                }
            }
        }
    }

    #[test]
    fn what_has_another_type_is_noted_and_not_read() {
        let store = json!({"spec": {"provider": {"aws": {"auth": {"jwt": {"serviceAccountRef": {"name": 7}}}}}}});
        let reading = kind("external-secrets.io/v1", "SecretStore").read(&store);
        assert_eq!(reading.malformed, ["spec.provider.aws.auth.jwt.serviceAccountRef.name"]);
        assert!(reading.references.is_empty());
        let other = json!({"data": ["text"]});
        assert!(kind("v1", "ConfigMap").read(&other).is_empty());
    }

    #[test]
    fn a_store_of_another_provider_says_nothing() {
        let store = json!({"spec": {"provider": {"vault": {"server": "https://vault.example.com"}}}});
        assert!(kind("external-secrets.io/v1", "SecretStore").read(&store).is_empty());
    }

    #[test]
    fn reads_all_solvers_and_no_more_than_the_limit() {
        let solver =
            json!({"dns01": {"route53": {"role": "r", "auth": {"kubernetes": {"serviceAccountRef": {"name": "n"}}}}}});
        let issuer = json!({"spec": {"acme": {"solvers": vec![solver; 100]}}});
        let reading = kind("cert-manager.io/v1", "Issuer").read(&issuer);
        assert!(reading.more && reading.references.len() == path::MAX_PLACES);
        assert_eq!(reading.references.get(1).unwrap().path, "spec.acme.solvers[1].dns01.route53");
    }
}
