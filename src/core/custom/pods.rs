//! Custom resources whose controllers create pods: where the pods are described, as a table. Each row has the source that shows it.

use serde_json::{Map, Value, json};

/// Most templates of one object.
const MAX_TEMPLATES: usize = 64;

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodForm {
    /// A template of pods: metadata and specification.
    Template,
    /// The specification of pods.
    Spec,
    /// An object with the name of a service account in this field. The controller adds the rest.
    Account(&'static str),
}

/// Where objects of a kind describe pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSource {
    /// The API group.
    pub group: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The places: names of fields, `[]` for the items of a list, `{}` for the values of a mapping.
    pub places: &'static [(&'static str, PodForm)],
    /// What shows it: project and file.
    pub source: &'static str,
}

/// Pods that an object describes.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedPods {
    /// The JSON pointer to the description.
    pub pointer: String,
    /// What is there.
    pub form: PodForm,
    /// The template of the pods.
    pub template: Value,
}

use PodForm::{Account, Spec, Template};

const fn row(
    group: &'static str,
    kind: &'static str,
    places: &'static [(&'static str, PodForm)],
    source: &'static str,
) -> PodSource {
    PodSource { group, kind, places, source }
}

const TEMPLATE: &[(&str, PodForm)] = &[("spec.template", Template)];
const NAMED: &[(&str, PodForm)] = &[("spec", Account("serviceAccountName"))];
const SPARK: &str = "kubeflow/spark-operator, api/v1beta2/sparkapplication_types.go";
const WORKFLOWS: &str = "argoproj/argo-workflows, pkg/apis/workflow/v1alpha1/workflow_types.go";
const EVENTS: &str = "argoproj/argo-events, pkg/apis/events/v1alpha1";
const TRAINING: &str = "kubeflow/training-operator, pkg/apis/kubeflow.org/v1";
const RAY: &str = "ray-project/kuberay, ray-operator/apis/ray/v1";
const KNATIVE: &str = "knative/serving, pkg/apis/serving/v1";
const PROMETHEUS: &str = "prometheus-operator/prometheus-operator, pkg/apis/monitoring/v1";

/// The table.
static SOURCES: &[PodSource] = &[
    row("argoproj.io", "Rollout", TEMPLATE, "argoproj/argo-rollouts, pkg/apis/rollouts/v1alpha1/types.go"),
    row("argoproj.io", "Workflow", NAMED, WORKFLOWS),
    row("argoproj.io", "WorkflowTemplate", NAMED, WORKFLOWS),
    row("argoproj.io", "CronWorkflow", &[("spec.workflowSpec", Account("serviceAccountName"))], WORKFLOWS),
    row("argoproj.io", "EventSource", &[("spec.template", Account("serviceAccountName"))], EVENTS),
    row("argoproj.io", "Sensor", &[("spec.template", Account("serviceAccountName"))], EVENTS),
    row(
        "sparkoperator.k8s.io",
        "SparkApplication",
        &[("spec.driver", Account("serviceAccount")), ("spec.executor", Account("serviceAccount"))],
        SPARK,
    ),
    row(
        "sparkoperator.k8s.io",
        "ScheduledSparkApplication",
        &[("spec.template.driver", Account("serviceAccount")), ("spec.template.executor", Account("serviceAccount"))],
        SPARK,
    ),
    row(
        "serving.kserve.io",
        "InferenceService",
        &[("spec.predictor", Spec), ("spec.transformer", Spec), ("spec.explainer", Spec)],
        "kserve/kserve, pkg/apis/serving/v1beta1/podspec.go",
    ),
    row(
        "kubeflow.org",
        "Notebook",
        TEMPLATE,
        "kubeflow/kubeflow, components/notebook-controller/api/v1/notebook_types.go",
    ),
    row("kubeflow.org", "PyTorchJob", &[("spec.pytorchReplicaSpecs{}.template", Template)], TRAINING),
    row("kubeflow.org", "TFJob", &[("spec.tfReplicaSpecs{}.template", Template)], TRAINING),
    row("kubeflow.org", "MPIJob", &[("spec.mpiReplicaSpecs{}.template", Template)], TRAINING),
    row("kubeflow.org", "XGBoostJob", &[("spec.xgbReplicaSpecs{}.template", Template)], TRAINING),
    row("kubeflow.org", "PaddleJob", &[("spec.paddleReplicaSpecs{}.template", Template)], TRAINING),
    row("kubeflow.org", "JAXJob", &[("spec.jaxReplicaSpecs{}.template", Template)], TRAINING),
    row(
        "ray.io",
        "RayCluster",
        &[("spec.headGroupSpec.template", Template), ("spec.workerGroupSpecs[].template", Template)],
        RAY,
    ),
    row(
        "ray.io",
        "RayJob",
        &[
            ("spec.rayClusterSpec.headGroupSpec.template", Template),
            ("spec.rayClusterSpec.workerGroupSpecs[].template", Template),
            ("spec.submitterPodTemplate", Template),
        ],
        RAY,
    ),
    row(
        "ray.io",
        "RayService",
        &[
            ("spec.rayClusterConfig.headGroupSpec.template", Template),
            ("spec.rayClusterConfig.workerGroupSpecs[].template", Template),
        ],
        RAY,
    ),
    row(
        "flink.apache.org",
        "FlinkDeployment",
        &[("spec", Account("serviceAccount"))],
        "apache/flink-kubernetes-operator, FlinkDeploymentSpec.java",
    ),
    row(
        "opentelemetry.io",
        "OpenTelemetryCollector",
        &[("spec", Account("serviceAccount"))],
        "open-telemetry/opentelemetry-operator, apis/v1beta1/common.go",
    ),
    row("serving.knative.dev", "Service", TEMPLATE, KNATIVE),
    row("serving.knative.dev", "Configuration", TEMPLATE, KNATIVE),
    row("serving.knative.dev", "Revision", &[("spec", Spec)], KNATIVE),
    row(
        "keda.sh",
        "ScaledJob",
        &[("spec.jobTargetRef.template", Template)],
        "kedacore/keda, apis/keda/v1alpha1/scaledjob_types.go",
    ),
    row(
        "starrocks.com",
        "StarRocksCluster",
        &[
            ("spec.starRocksFeSpec", Account("serviceAccount")),
            ("spec.starRocksBeSpec", Account("serviceAccount")),
            ("spec.starRocksCnSpec", Account("serviceAccount")),
        ],
        "StarRocks/starrocks-kubernetes-operator, pkg/apis/starrocks/v1/component_type.go",
    ),
    row("monitoring.coreos.com", "Prometheus", NAMED, PROMETHEUS),
    row("monitoring.coreos.com", "PrometheusAgent", NAMED, PROMETHEUS),
    row("monitoring.coreos.com", "Alertmanager", NAMED, PROMETHEUS),
    row("monitoring.coreos.com", "ThanosRuler", NAMED, PROMETHEUS),
    row(
        "jobset.x-k8s.io",
        "JobSet",
        &[("spec.replicatedJobs[].template.spec.template", Template)],
        "kubernetes-sigs/jobset, api/jobset/v1alpha2/jobset_types.go",
    ),
    row(
        "leaderworkerset.x-k8s.io",
        "LeaderWorkerSet",
        &[
            ("spec.leaderWorkerTemplate.leaderTemplate", Template),
            ("spec.leaderWorkerTemplate.workerTemplate", Template),
        ],
        "kubernetes-sigs/lws, api/leaderworkerset/v1/leaderworkerset_types.go",
    ),
];

/// Every row.
pub fn pod_sources() -> &'static [PodSource] {
    SOURCES
}

/// The row of a kind.
pub fn pod_source(api_version: &str, kind: &str) -> Option<&'static PodSource> {
    SOURCES.iter().find(|source| source.is_of(api_version, kind))
}

impl PodSource {
    /// Whether it is of objects of this kind.
    pub fn is_of(&self, api_version: &str, kind: &str) -> bool {
        api_version.split_once('/').is_some_and(|(group, _)| group == self.group) && kind == self.kind
    }

    /// The pods that an object describes.
    pub fn read(&self, object: &Value) -> Vec<DescribedPods> {
        let mut found = Vec::new();
        for (path, form) in self.places {
            for (pointer, value) in expand(object, path) {
                if found.len() == MAX_TEMPLATES {
                    return found;
                }
                let name = pointer.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
                let template =
                    template(value, *form, if matches!(&*name, "spec" | "template") { self.kind } else { &name });
                found.extend(template.map(|template| DescribedPods { pointer, form: *form, template }));
            }
        }
        found
    }
}

/// The template of the pods that a value describes; `None` where it describes none.
fn template(value: &Value, form: PodForm, name: &str) -> Option<Value> {
    let fields = value.as_object()?;
    match form {
        Template => fields.get("spec")?.is_object().then(|| value.clone()),
        Spec => {
            let mut spec = fields.clone();
            let is_empty = |list: Option<&Value>| list.and_then(Value::as_array).is_none_or(Vec::is_empty);
            let account = spec.get("serviceAccountName").is_some_and(Value::is_string);
            if is_empty(spec.get("containers")) {
                // The controller adds the container.
                account.then(|| spec.insert("containers".to_owned(), containers(name, None)))?;
            }
            Some(json!({ "spec": spec }))
        }
        Account(field) => {
            let account = fields.get(field).and_then(Value::as_str).filter(|name| !name.is_empty())?;
            let spec = Map::from_iter([
                ("serviceAccountName".to_owned(), account.into()),
                ("containers".to_owned(), containers(name, fields.get("env"))),
            ]);
            Some(json!({ "spec": spec }))
        }
    }
}

/// The container that a controller adds.
fn containers(name: &str, env: Option<&Value>) -> Value {
    let env = env.filter(|env| env.is_array()).cloned().unwrap_or_else(|| json!([]));
    json!([{"name": name.to_ascii_lowercase(), "env": env}])
}

/// The places that a path leads to, with their JSON pointers.
fn expand<'o>(object: &'o Value, path: &str) -> Vec<(String, &'o Value)> {
    let mut found = vec![(String::new(), object)];
    if path.is_empty() {
        return found;
    }
    for step in path.split('.') {
        let name = step.trim_end_matches("[]").trim_end_matches("{}");
        let mut next = Vec::new();
        for (pointer, value) in found {
            let Some(value) = value.get(name) else { continue };
            let pointer = format!("{pointer}/{name}");
            match value {
                Value::Array(items) if step.ends_with("[]") => {
                    next.extend(
                        items
                            .iter()
                            .take(MAX_TEMPLATES)
                            .enumerate()
                            .map(|(at, item)| (format!("{pointer}/{at}"), item)),
                    );
                }
                Value::Object(fields) if step.ends_with("{}") => next.extend(
                    fields
                        .iter()
                        .take(MAX_TEMPLATES)
                        .map(|(key, item)| (format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), item)),
                ),
                value if !step.ends_with(['}', ']']) => next.push((pointer, value)),
                _ => {}
            }
        }
        found = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_templates_specifications_and_accounts() {
        let ray = pod_source("ray.io/v1", "RayCluster").unwrap();
        let template = json!({"spec": {"containers": [{"name": "c"}]}});
        let cluster = json!({"spec": {"headGroupSpec": {"template": template},
            "workerGroupSpecs": [{"template": template}, {"template": 7}, {"template": template}]}});
        let pointers: Vec<String> = ray.read(&cluster).into_iter().map(|pods| pods.pointer).collect();
        assert_eq!(
            pointers,
            ["/spec/headGroupSpec/template", "/spec/workerGroupSpecs/0/template", "/spec/workerGroupSpecs/2/template"]
        );
        let torch = pod_source("kubeflow.org/v1", "PyTorchJob").unwrap();
        let job = json!({"spec": {"pytorchReplicaSpecs": {"Master": {"template": template}}}});
        assert_eq!(torch.read(&job).first().unwrap().pointer, "/spec/pytorchReplicaSpecs/Master/template");
        let spark = pod_source("sparkoperator.k8s.io/v1beta2", "SparkApplication").unwrap();
        let app = json!({"spec": {"driver": {"serviceAccount": "spark", "env": [{"name": "A"}]}, "executor": {}}});
        let found = spark.read(&app);
        let expected = json!({"spec": {"serviceAccountName": "spark", "containers": [{"name": "driver", "env": [{"name": "A"}]}]}});
        assert_eq!((found.len(), &found.first().unwrap().template), (1, &expected));
        let service = pod_source("serving.kserve.io/v1beta1", "InferenceService").unwrap();
        let named = json!({"spec": {"predictor": {"serviceAccountName": "models", "model": {}}, "transformer": {}}});
        assert_eq!(service.read(&named).len(), 1);
        assert!(pod_source("apps/v1", "Rollout").is_none() && pod_source("v1", "Service").is_none());
    }

    #[test]
    fn no_kind_is_there_twice() {
        for (at, source) in SOURCES.iter().enumerate() {
            let same = |other: &&PodSource| (other.group, other.kind) == (source.group, source.kind);
            assert!(!SOURCES.iter().skip(at + 1).any(|other| same(&other)), "{}", source.kind);
        }
    }
}
