//! From a field of an object to its JSON pointer in the document.

use rolecall_core::cluster::Conventions;
use rolecall_core::custom::PodForm;
use rolecall_core::finding::Field;
use rolecall_core::workload::{Kind, PodPath};
use serde_json::Value;

use super::marks::push_escaped;
use super::{CustomManifest, Manifest, TaskDefinitionManifest};

impl Manifest {
    /// The JSON pointer in its document of the first of some fields that the object has, else of the container or of the name.
    pub fn pointer(&self, fields: &[Field], container: Option<&str>, conventions: &Conventions) -> String {
        let object =
            ObjectFields { value: &self.value, pod: self.kind.and_then(Kind::pod_path), container, conventions };
        let found = fields.iter().find_map(|field| object.find(field));
        let found = found.or_else(|| object.named_container(container?));
        let name = || object.there("/metadata/name").or_else(|| object.there("/metadata/generateName"));
        format!("{}{}", self.within, self.in_document(found.or_else(name).unwrap_or_default()))
    }

    /// Of pods that a custom resource describes: where the field is there.
    fn in_document(&self, pointer: String) -> String {
        let Some((described, rest)) = self.described.as_deref().zip(pointer.strip_prefix("/spec/template")) else {
            return pointer;
        };
        let (place, form) = described;
        match form {
            PodForm::Template => format!("{place}{rest}"),
            PodForm::Spec => format!("{place}{}", rest.strip_prefix("/spec").unwrap_or_default()),
            PodForm::Account(field) => match rest.strip_prefix("/spec/containers/0/env") {
                Some(rest) => format!("{place}/env{rest}"),
                None => format!("{place}/{field}"),
            },
        }
    }
}

impl CustomManifest {
    /// The same of a custom resource; `identity` is the path of the identity that the finding is about.
    pub fn pointer(&self, fields: &[Field], identity: Option<&str>, conventions: &Conventions) -> String {
        let object = ObjectFields { value: self.value(), pod: None, container: None, conventions };
        let found = fields.iter().find_map(|field| object.find(field));
        let found = found.or_else(|| Some(of_path(identity?))).or_else(|| object.there("/metadata/name"));
        format!("{}{}", self.within, found.unwrap_or_default())
    }
}

impl TaskDefinitionManifest {
    /// The same of a task definition.
    pub fn pointer(&self, fields: &[Field], container: Option<&str>) -> String {
        let containers = self.value.get("containerDefinitions");
        let at = container.and_then(|name| position(containers, "name", name));
        let of_container = |at: usize| format!("/containerDefinitions/{at}");
        let field = |field: &Field| match field {
            Field::TaskRole(role) => self.value.get(role.name()).map(|_| format!("/{}", role.name())),
            Field::Variable(variable) => {
                let environment = self.value.pointer(&format!("{}/environment", of_container(at?)));
                let variable = position(environment, "name", variable)?;
                Some(format!("{}/environment/{variable}/name", of_container(at?)))
            }
            _ => None,
        };
        let found = fields.iter().find_map(field);
        let found = found.or_else(|| Some(format!("{}/name", of_container(at?))));
        let found = found.or_else(|| self.value.get("family").map(|_| "/family".to_owned())).unwrap_or_default();
        let within = of_path(&self.path);
        // CloudFormation writes the names of the API in another case.
        let is_cloudformation = within.starts_with("/Resources/") && within.ends_with("/Properties");
        let found = if is_cloudformation { capitalized(&found) } else { found };
        within + &found
    }
}

fn capitalized(pointer: &str) -> String {
    let upper = |token: &str| -> String {
        let mut chars = token.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
    };
    pointer.split('/').map(upper).collect::<Vec<_>>().join("/")
}

/// The JSON pointer of a path such as `spec.items[0].annotations["a.b/c"]`.
fn of_path(path: &str) -> String {
    let mut pointer = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (token, behind) =
            if let Some((key, behind)) = rest.strip_prefix("[\"").and_then(|key| key.split_once("\"]")) {
                (key, behind)
            } else if let Some((index, behind)) = rest.strip_prefix('[').and_then(|index| index.split_once(']')) {
                (index, behind)
            } else {
                let plain = rest.strip_prefix('.').unwrap_or(rest);
                plain.split_at(plain.find(['.', '[']).unwrap_or(plain.len()))
            };
        pointer.push('/');
        push_escaped(&mut pointer, token);
        rest = behind;
    }
    pointer
}

/// Where in a list the object is whose field is this text.
fn position(list: Option<&Value>, field: &str, text: &str) -> Option<usize> {
    let items = list?.as_array()?;
    items.iter().position(|item| item.get(field).and_then(Value::as_str) == Some(text))
}

struct ObjectFields<'o> {
    value: &'o Value,
    pod: Option<PodPath>,
    container: Option<&'o str>,
    conventions: &'o Conventions,
}

impl ObjectFields<'_> {
    fn there(&self, pointer: &str) -> Option<String> {
        self.value.pointer(pointer).map(|_| pointer.to_owned())
    }

    /// The pointer to the specification of the pods.
    fn pod(&self) -> Option<&'static str> {
        Some(match self.pod? {
            PodPath::Spec => "/spec",
            PodPath::Template => "/template/spec",
            PodPath::SpecTemplate => "/spec/template/spec",
            PodPath::JobTemplate => "/spec/jobTemplate/spec/template/spec",
        })
    }

    fn find(&self, field: &Field) -> Option<String> {
        let pod = || self.pod();
        match field {
            Field::Annotation(key) => self.metadata("annotations", key),
            Field::Label(key) => self.metadata("labels", key),
            Field::RoleAnnotation if self.pod.is_none() => {
                self.metadata("annotations", self.conventions.role_arn_key())
            }
            Field::RoleAnnotation | Field::TaskRole(_) => None,
            Field::ServiceAccountName => {
                let pod = pod()?;
                let names = ["serviceAccountName", "serviceAccount"].map(|name| format!("{pod}/{name}"));
                names.iter().find_map(|name| self.there(name))
            }
            Field::Variable(name) => self.in_containers("env", "name", name).map(|entry| entry + "/name"),
            Field::VariableOf { container, name } => {
                let of = ObjectFields { container: Some(container), ..*self };
                of.in_containers("env", "name", name).map(|entry| entry + "/name")
            }
            Field::EnvFrom(name) => self.containers().find_map(|container| {
                let list = self.value.pointer(&format!("{container}/envFrom"))?.as_array()?;
                let names = |item: &Value| {
                    ["secretRef", "configMapRef"]
                        .iter()
                        .any(|kind| item.get(kind).and_then(|of| of.get("name")).and_then(Value::as_str) == Some(name))
                };
                Some(format!("{container}/envFrom/{}", list.iter().position(names)?))
            }),
            Field::Volume(name) => {
                let volumes = format!("{}/volumes", pod()?);
                let at = position(self.value.pointer(&volumes), "name", name)?;
                Some(format!("{volumes}/{at}/name"))
            }
            Field::Mount(path) => {
                self.in_containers("volumeMounts", "mountPath", path).map(|mount| mount + "/mountPath")
            }
            Field::Pod(name) => self.there(&format!("{}/{name}", pod()?)),
            Field::Path(path) => {
                let pointer = of_path(path);
                let below = |root: &str| self.there(&format!("{root}{pointer}"));
                // A path of a pod begins at the pod.
                pod().and_then(|pod| below(pod.strip_suffix("/spec").unwrap_or(pod))).or_else(|| match self.pod {
                    Some(_) => below(""),
                    // What is absent belongs to what would contain it.
                    None => Some(pointer.clone()),
                })
            }
        }
    }

    /// The entry of an annotation or a label: of the pods, of their jobs, or of the object.
    fn metadata(&self, of: &str, key: &str) -> Option<String> {
        let mut pointer = format!("/{of}/");
        push_escaped(&mut pointer, key);
        let pods = self.pod().and_then(|pod| pod.strip_suffix("/spec"));
        let holders = [pods, Some("/spec/jobTemplate"), Some("")];
        holders.into_iter().flatten().find_map(|holder| self.there(&format!("{holder}/metadata{pointer}")))
    }

    /// Pointers to the containers; to the one that is meant, where one is.
    fn containers(&self) -> impl Iterator<Item = String> {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        let pod = self.pod();
        lists.into_iter().filter_map(move |list| Some(format!("{}/{list}", pod?))).flat_map(move |list| {
            let items = self.value.pointer(&list).and_then(Value::as_array).into_iter().flatten().enumerate();
            let meant = items.filter(|(_, item)| {
                self.container.is_none_or(|name| item.get("name").and_then(Value::as_str) == Some(name))
            });
            meant.map(|(at, _)| format!("{list}/{at}")).collect::<Vec<_>>()
        })
    }

    fn named_container(&self, name: &str) -> Option<String> {
        let named =
            |container: &String| self.value.pointer(&format!("{container}/name")).and_then(Value::as_str) == Some(name);
        self.containers().find(named).map(|container| container + "/name")
    }

    /// The item of a list of a container. Where no container is meant, all have such an item: what only some have causes nothing
    /// that all have.
    fn in_containers(&self, list: &str, field: &str, text: &str) -> Option<String> {
        let item = |container: String| {
            let list = format!("{container}/{list}");
            let at = position(self.value.pointer(&list), field, text)?;
            Some(format!("{list}/{at}"))
        };
        let mut items = self.containers().map(item);
        match self.container {
            Some(_) => items.flatten().next(),
            None => items.try_fold(None, |first: Option<String>, item| Some(Some(first.unwrap_or(item?)))).flatten(),
        }
    }
}
