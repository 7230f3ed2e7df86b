//! Who assumes roles: the service account that a pod runs as, a task definition of ECS, or a controller in the cluster.

/// Stands in the place of the namespace where the service account of a controller is not known: no namespace has this name.
const CONTROLLER: &str = "*";

/// A service account, a task definition or a controller: whose chain is resolved.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Namespace of the service account; empty of a task definition, which is in none.
    pub namespace: &'a str,
    /// Name of the service account, or the family of the task definition.
    pub service_account: &'a str,
}

impl<'a> Subject<'a> {
    /// A task definition of ECS, by its family.
    pub fn of_task_definition(family: &'a str) -> Self {
        Self { namespace: "", service_account: family }
    }

    /// Whether it is a task definition.
    pub fn is_task_definition(&self) -> bool {
        self.namespace.is_empty()
    }

    /// The controller of a project, whose service account is not known.
    pub(crate) fn of_controller(project: &'a str) -> Self {
        Self { namespace: CONTROLLER, service_account: project }
    }

    /// Whether it is a controller.
    pub fn is_controller(&self) -> bool {
        self.namespace == CONTROLLER
    }

    /// The `sub` claim of its tokens (Kubernetes, "Managing Service Accounts").
    pub fn claim(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.service_account)
    }
}

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service_account)
    }
}
