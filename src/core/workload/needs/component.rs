//! Components that are known to call AWS, or to call it with the node's role, and how each is recognised: by its image together with its
//! arguments, its variables and the containers beside it. One image often serves several roles; most CSI drivers are an example.

use super::super::object::Container;
use super::text::is_off;

/// A component that is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Component {
    /// What its project calls it.
    pub name: &'static str,
    /// Whose role it uses.
    pub role: ComponentRole,
    /// The ends of its image's repository, from a `/` on; `PART/*` is any image below a repository of this name.
    pub images: &'static [&'static str],
    /// What else must hold.
    pub signs: &'static [Sign],
    /// What its project or AWS documents that it calls, in part.
    pub actions: &'static [&'static str],
    /// The AWS managed policy that AWS documents for it, below `arn:aws:iam::aws:policy/`.
    pub policy: Option<&'static str>,
    /// The document.
    pub source: &'static str,
}

/// Whose role a component uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComponentRole {
    /// One of its own: it needs an identity.
    Own,
    /// The node's, as AWS installs it.
    Node,
    /// None: it does not call AWS with credentials of its own.
    None,
}

/// What distinguishes the uses of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A word of the command or the arguments is one of these.
    Word(&'static [&'static str]),
    /// None is.
    NoWord(&'static [&'static str]),
    /// One of the flags (without dashes) or variables has one of the values.
    Setting {
        /// Flags and variables.
        names: &'static [&'static str],
        /// Any of these.
        values: &'static [&'static str],
    },
    /// One of the flags or variables is set, and not to `false`.
    Set(&'static [&'static str]),
    /// One of the flags holds the text.
    Holds {
        /// Flags and variables.
        names: &'static [&'static str],
        /// A part of the value.
        text: &'static str,
    },
    /// No variable begins with one of these.
    NoVariable(&'static [&'static str]),
    /// The pod has a container of this image.
    Beside(Sibling),
    /// It has none.
    NotBeside(Sibling),
    /// A ConfigMap of the container has settings that call AWS.
    Configured,
    /// The same, unless the container has no ConfigMap, or none that was seen.
    ConfiguredIfSeen,
    /// A custom resource has it call AWS with its own identity.
    Serves(Served),
}

/// Custom resources that have their controller call AWS with its own identity: they bring no keys and name no service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Issuers of cert-manager that solve DNS-01 with Route 53.
    Route53Issuers,
    /// Secret stores and generators of the External Secrets Operator.
    SecretStores,
    /// Buckets and repositories of Flux's source controller.
    FluxSources,
    /// Image repositories of Flux.
    FluxImages,
    /// Triggers of KEDA.
    KedaTriggers,
}

impl Served {
    pub(in crate::workload) fn bit(self) -> u8 {
        match self {
            Self::Route53Issuers => 1,
            Self::SecretStores => 2,
            Self::FluxSources => 4,
            Self::FluxImages => 8,
            Self::KedaTriggers => 16,
        }
    }
}

/// Containers that tell what the container beside them does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sibling {
    /// `csi-node-driver-registrar`, in the DaemonSets of CSI drivers.
    NodeDriverRegistrar,
    /// The plugin of Velero for AWS, an init container.
    VeleroPluginForAws,
}

impl Sibling {
    /// Every sibling, with its images.
    pub const ALL: [(Self, &'static [&'static str]); 2] = [
        (Self::NodeDriverRegistrar, &["csi-node-driver-registrar", "node-driver-registrar"]),
        (Self::VeleroPluginForAws, &["velero-plugin-for-aws"]),
    ];

    pub(super) fn bit(self) -> u8 {
        match self {
            Self::NodeDriverRegistrar => 1,
            Self::VeleroPluginForAws => 2,
        }
    }

    /// The siblings that images belong to, as bits.
    pub(super) fn among<'i>(images: impl Iterator<Item = &'i str>) -> u8 {
        images.fold(0, |found, image| {
            let repository = repository(image);
            let is_it = |(_, known): &&(Self, &[&str])| known.iter().any(|known| is_end(repository, known));
            found | Self::ALL.iter().find(is_it).map_or(0, |(sibling, _)| sibling.bit())
        })
    }
}

/// What is known of a container besides its own fields.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Surroundings {
    /// Siblings in the pod, as bits.
    pub siblings: u8,
    /// A ConfigMap of the container was seen.
    pub is_config_seen: bool,
    /// One has settings that call AWS.
    pub is_configured: bool,
    /// Which custom resources have their controllers call AWS, as bits.
    pub served: u8,
}

impl Component {
    /// Whether the repository of an image is one of the component's.
    pub(super) fn has_image(&self, repository: &str) -> bool {
        self.images.iter().any(|known| match known.strip_suffix("/*") {
            Some(part) => repository.rsplit_once('/').is_some_and(|(folder, _)| is_end(folder, part)),
            None => match known.strip_suffix('*') {
                Some(start) => repository.rsplit('/').next().is_some_and(|name| name.starts_with(start)),
                None => is_end(repository, known),
            },
        })
    }

    /// Whether the container's other signs are the component's.
    pub(super) fn has_signs(&self, container: &Container<'_>, surroundings: Surroundings) -> bool {
        self.signs.iter().all(|sign| sign.holds(container, surroundings))
    }
}

impl Sign {
    fn holds(self, container: &Container<'_>, surroundings: Surroundings) -> bool {
        match self {
            Self::Word(known) => words(container).any(|word| known.contains(&word)),
            Self::NoWord(known) => !words(container).any(|word| known.contains(&word)),
            Self::Setting { names, values } => is_set_to(container, names, |value| values.contains(&value)),
            Self::Set(names) => is_set_to(container, names, |value| !is_off(value)),
            Self::Holds { names, text } => is_set_to(container, names, |value| value.contains(text)),
            Self::NoVariable(starts) => {
                !container.env.iter().any(|set| starts.iter().any(|start| set.name.as_str().starts_with(start)))
            }
            Self::Beside(sibling) => surroundings.siblings & sibling.bit() != 0,
            Self::NotBeside(sibling) => surroundings.siblings & sibling.bit() == 0,
            Self::Configured => surroundings.is_configured,
            Self::Serves(served) => surroundings.served & served.bit() != 0,
            Self::ConfiguredIfSeen => surroundings.is_configured || !surroundings.is_config_seen,
        }
    }
}

/// The words of the command and the arguments, also inside of a shell's one argument.
fn words<'c>(container: &'c Container<'_>) -> impl Iterator<Item = &'c str> {
    let arguments = container.command.iter().chain(&container.args);
    let words = arguments.flat_map(|argument| argument.as_str().split([' ', '\t', '\n', '"', '\'']));
    words.filter(|word| !word.is_empty())
}

/// Whether a flag or a variable of one of these names has such a value. A flag may stand as `--flag=value` or `--flag value`, with one
/// dash or two; a flag without a value is `true`.
fn is_set_to(container: &Container<'_>, names: &[&str], has: impl Fn(&str) -> bool) -> bool {
    let mut words = words(container).peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix('-').map(|flag| flag.trim_start_matches('-')) else { continue };
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag, value),
            None => (flag, words.peek().copied().filter(|next| !next.starts_with('-')).unwrap_or("true")),
        };
        if names.contains(&flag) && has(value.trim_matches(['"', '\''])) {
            return true;
        }
    }
    container.env.iter().any(|variable| {
        let value = variable.value.as_ref().map(|value| value.as_str());
        // A value from an object is one, whatever it is.
        let value = value.or_else(|| variable.value_from.is_some().then_some("?"));
        names.contains(&variable.name.as_str()) && value.is_some_and(&has)
    })
}

/// The repository of an image, without tag and digest.
pub(super) fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

/// Whether a repository ends with these parts of a path.
pub(super) fn is_end(repository: &str, known: &str) -> bool {
    repository == known || repository.strip_suffix(known).is_some_and(|prefix| prefix.ends_with('/'))
}
