//! The table of kinds and paths. Each kind has the source that shows how its controller reads them;
//! `docs/identities-without-a-pod.md` is held to it by a test.

mod flux;

/// Who reads the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the projects")]
pub enum Controller {
    Ack,
    CertManager,
    Crossplane,
    ExternalSecrets,
    Flux,
    Keda,
}

impl Controller {
    /// The project's own name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ack => "ACK",
            Self::CertManager => "cert-manager",
            Self::Crossplane => "Crossplane",
            Self::ExternalSecrets => "External Secrets",
            Self::Flux => "Flux",
            Self::Keda => "KEDA",
        }
    }
}

/// Whether objects of a kind are in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the CustomResourceDefinition's field")]
pub enum Scope {
    Namespaced,
    Cluster,
}

/// Whether a scan lists a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// By this name in paths of the API.
    As(&'static str),
    /// Never: most objects of the kind are something else.
    Never,
}

/// A kind whose objects may name an AWS identity.
#[derive(Debug, PartialEq, Eq)]
pub struct CustomKind {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// How a scan lists it.
    pub listed: Listed,
    /// Whether it has namespaces.
    pub scope: Scope,
    /// Who reads it.
    pub controller: Controller,
    /// What shows how it is read: project and file.
    pub source: &'static str,
    pub(super) bases: &'static [Base],
}

impl CustomKind {
    /// Paths to where identities are configured, for the documentation.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.bases.iter().map(|base| base.at)
    }
}

/// A part of an object that configures an identity, by the first alternative whose tests hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// Where it is, with `[]` for the items of lists.
    pub(super) at: &'static str,
    pub(super) alternatives: &'static [Alternative],
}

/// A test of a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Present(&'static str),
    Is(&'static str, &'static str),
    StartsWith(&'static str, &'static str),
}

/// One way in which a base configures an identity.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Alternative {
    /// All must hold.
    pub(super) when: &'static [Test],
    pub(super) who: WhoAt,
    /// Roles that are assumed after the first, in this order.
    pub(super) hops: &'static [HopAt],
    /// The controller refuses the object where this is present too.
    pub(super) excludes: Option<&'static str>,
}

/// Whose credentials are used first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WhoAt {
    /// A token of a service account.
    Account {
        name: &'static str,
        namespace: NamespaceAt,
        role: RoleAt,
        audience: AudienceAt,
        /// Versions of the API whose controllers may read the service account for another purpose.
        unless_version: &'static [&'static str],
    },
    /// The controller's own identity, or a token that is no service account's of this cluster; the role at this path is
    /// assumed with it.
    Controller { role: Option<&'static str> },
    /// Keys in a Secret.
    Keys,
    /// The service account of each workload that uses the object.
    Workload,
}

/// In which namespace the service account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamespaceAt {
    /// The object's.
    Object,
    /// At this path; where that is absent, the namespace of whoever uses the object.
    Field(&'static str),
    /// At this path, which the controller requires.
    Required(&'static str),
    /// The namespace of whoever uses the object.
    User,
    /// A setting of the controller, which is mostly this.
    Setting(&'static str),
}

/// Which role is assumed with the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoleAt {
    /// That of the annotation `eks.amazonaws.com/role-arn`; the controller reports an error where there is none.
    Annotation,
    /// The same, where there is one: the account may be for another cloud.
    AnnotationIfAny,
    /// The one at this path, which the controller requires.
    Field(&'static str),
}

/// The audience of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AudienceAt {
    /// `sts.amazonaws.com`
    Sts,
    /// That of the annotation `eks.amazonaws.com/audience`, else `sts.amazonaws.com`; and those at this path.
    AnnotationAnd(&'static str),
    /// Those at this path, else `sts.amazonaws.com`.
    FieldElseSts(&'static str),
}

/// A role that is assumed with the credentials of the one before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HopAt {
    pub(super) at: &'static str,
    pub(super) role: &'static str,
    pub(super) external_id: Option<&'static str>,
    pub(super) tags: Option<TagsAt>,
}

/// Session tags, by the names of the fields that hold key and value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TagsAt {
    pub(super) at: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
}

const fn hop(at: &'static str, role: &'static str) -> HopAt {
    HopAt { at, role, external_id: None, tags: None }
}

const fn on(when: &'static [Test], who: WhoAt, hops: &'static [HopAt]) -> Alternative {
    Alternative { when, who, hops, excludes: None }
}

const NO_ROLE: WhoAt = WhoAt::Controller { role: None };

/// External Secrets: `additionalRoles` one after the other, then `role` (`createConfiguration`).
const SECRET_STORE_HOPS: &[HopAt] = &[
    hop("additionalRoles[]", ""),
    HopAt {
        at: "",
        role: "role",
        external_id: Some("externalID"),
        tags: Some(TagsAt { at: "sessionTags[]", key: "key", value: "value" }),
    },
];

const fn secret_store_account(namespace: NamespaceAt) -> WhoAt {
    WhoAt::Account {
        name: "auth.jwt.serviceAccountRef.name",
        namespace,
        role: RoleAt::Annotation,
        audience: AudienceAt::AnnotationAnd("auth.jwt.serviceAccountRef.audiences"),
        unless_version: &[],
    }
}

macro_rules! secret_store {
    ($namespace:expr) => {
        &[
            on(&[Test::Present("auth.jwt")], secret_store_account($namespace), SECRET_STORE_HOPS),
            on(&[Test::Present("auth.secretRef")], WhoAt::Keys, SECRET_STORE_HOPS),
            on(&[], NO_ROLE, SECRET_STORE_HOPS),
        ]
    };
}

/// Generators: keys win over the service account (`NewGeneratorSession`).
macro_rules! generator {
    ($namespace:expr) => {
        &[
            on(&[Test::Present("auth.secretRef")], WhoAt::Keys, &[hop("", "role")]),
            on(&[Test::Present("auth.jwt")], secret_store_account($namespace), &[hop("", "role")]),
            on(&[], NO_ROLE, &[hop("", "role")]),
        ]
    };
}

macro_rules! route53 {
    ($namespace:expr) => {
        &[Base {
            at: "spec.acme.solvers[].dns01.route53",
            alternatives: &[
                on(
                    &[Test::Present("auth.kubernetes.serviceAccountRef")],
                    WhoAt::Account {
                        name: "auth.kubernetes.serviceAccountRef.name",
                        namespace: $namespace,
                        role: RoleAt::Field("role"),
                        audience: AudienceAt::FieldElseSts("auth.kubernetes.serviceAccountRef.audiences"),
                        unless_version: &[],
                    },
                    &[],
                ),
                on(&[Test::Present("secretAccessKeySecretRef.name")], WhoAt::Keys, &[hop("", "role")]),
                on(&[], WhoAt::Controller { role: Some("role") }, &[]),
            ],
        }]
    };
}

/// The identity of the trigger, and that of its secrets in AWS Secrets Manager. The second selects no service account, and ignores
/// `roleArn` for the workload's own (`aws_secretmanager_handler.go`).
macro_rules! keda {
    ($namespace:expr) => {
        &[
            Base { at: "spec.podIdentity", alternatives: keda!(@ $namespace) },
            Base {
                at: "spec.awsSecretManager.podIdentity",
                alternatives: &[
                    on(
                        &[Test::Is("provider", "aws"), Test::Is("identityOwner", "workload")],
                        WhoAt::Workload,
                        &[],
                    ),
                    on(&[Test::Is("provider", "aws")], WhoAt::Controller { role: Some("roleArn") }, &[]),
                    on(&[Test::Is("provider", "aws-eks")], WhoAt::Workload, &[]),
                ],
            },
        ]
    };
    (@ $namespace:expr) => {
        &[
            on(
                &[Test::Is("provider", "aws"), Test::Present("serviceAccountName")],
                WhoAt::Account {
                    name: "serviceAccountName",
                    namespace: $namespace,
                    role: RoleAt::Field("roleArn"),
                    audience: AudienceAt::Sts,
                    unless_version: &[],
                },
                &[],
            ),
            Alternative {
                when: &[Test::Is("provider", "aws"), Test::Is("identityOwner", "workload")],
                who: WhoAt::Workload,
                hops: &[],
                excludes: Some("roleArn"),
            },
            on(&[Test::Is("provider", "aws")], WhoAt::Controller { role: Some("roleArn") }, &[]),
            on(&[Test::Is("provider", "aws-eks")], WhoAt::Workload, &[]),
        ]
    };
}

/// Crossplane's provider of Upbound: `assumeRoleChain` after any source (`GetRoleChainConfig`).
const ROLE_CHAIN: &[HopAt] = &[HopAt {
    at: "assumeRoleChain[]",
    role: "roleARN",
    external_id: Some("externalID"),
    tags: Some(TagsAt { at: "tags[]", key: "key", value: "value" }),
}];

const fn provider_account(namespace: NamespaceAt) -> WhoAt {
    WhoAt::Account {
        name: "serviceAccountRef.name",
        namespace,
        role: RoleAt::AnnotationIfAny,
        audience: AudienceAt::Sts,
        unless_version: &[],
    }
}

macro_rules! provider_config {
    ($namespace:expr) => {
        &[Base {
            at: "spec",
            alternatives: &[
                on(&[Test::Is("credentials.source", "ServiceAccount")], provider_account($namespace), ROLE_CHAIN),
                on(
                    &[Test::Is("credentials.source", "IRSA"), Test::Present("serviceAccountRef")],
                    provider_account($namespace),
                    ROLE_CHAIN,
                ),
                on(
                    &[Test::Is("credentials.source", "WebIdentity")],
                    WhoAt::Controller { role: Some("credentials.webIdentity.roleARN") },
                    ROLE_CHAIN,
                ),
                on(
                    &[Test::Is("credentials.source", "Upbound")],
                    WhoAt::Controller { role: Some("credentials.upbound.webIdentity.roleARN") },
                    ROLE_CHAIN,
                ),
                on(&[Test::Is("credentials.source", "IRSA")], NO_ROLE, ROLE_CHAIN),
                on(&[Test::Is("credentials.source", "PodIdentity")], NO_ROLE, ROLE_CHAIN),
                on(&[Test::Present("credentials.source")], WhoAt::Keys, ROLE_CHAIN),
            ],
        }]
    };
}

const ANNOTATED: WhoAt = WhoAt::Controller { role: Some(r#"annotations["eks.amazonaws.com/role-arn"]"#) };
const IS_ANNOTATED: &[Test] = &[Test::Present(r#"annotations["eks.amazonaws.com/role-arn"]"#)];

const STORE: &str = "external-secrets: providers/v1/aws/auth/auth.go";
const ROUTE53: &str = "cert-manager: pkg/issuer/acme/dns/dns.go, pkg/issuer/acme/dns/route53/session.go";
const FLUX: &str = "fluxcd/pkg: auth/aws/provider.go, auth/aws/options.go";
const KEDA: &str = "keda: pkg/scaling/resolver/scale_resolvers.go, pkg/scalers/aws/aws_config_cache.go";
const UPBOUND: &str =
    "provider-upjet-aws: internal/clients/provider_config.go, internal/clients/serviceaccount_token.go";

const fn kind(
    controller: Controller,
    source: &'static str,
    scope: Scope,
    group_kind: (&'static str, &'static str),
    plural: &'static str,
    bases: &'static [Base],
) -> CustomKind {
    let (group, kind) = group_kind;
    CustomKind { group, kind, listed: Listed::As(plural), scope, controller, source, bases }
}

use self::Controller::{Ack, CertManager, Crossplane, ExternalSecrets, Flux, Keda};
use self::NamespaceAt::{Field, Object, Required, Setting, User};
use self::Scope::{Cluster, Namespaced};

const SOURCE_TOOLKIT: &str = "source.toolkit.fluxcd.io";
const GENERATORS: &str = "generators.external-secrets.io";

pub(super) static KINDS: &[CustomKind] = &[
    kind(
        ExternalSecrets,
        STORE,
        Namespaced,
        ("external-secrets.io", "SecretStore"),
        "secretstores",
        &[Base { at: "spec.provider.aws", alternatives: secret_store!(Object) }],
    ),
    kind(
        ExternalSecrets,
        STORE,
        Cluster,
        ("external-secrets.io", "ClusterSecretStore"),
        "clustersecretstores",
        &[Base { at: "spec.provider.aws", alternatives: secret_store!(Field("auth.jwt.serviceAccountRef.namespace")) }],
    ),
    kind(
        ExternalSecrets,
        STORE,
        Namespaced,
        (GENERATORS, "ECRAuthorizationToken"),
        "ecrauthorizationtokens",
        &[Base { at: "spec", alternatives: generator!(Object) }],
    ),
    kind(
        ExternalSecrets,
        STORE,
        Namespaced,
        (GENERATORS, "STSSessionToken"),
        "stssessiontokens",
        &[Base { at: "spec", alternatives: generator!(Object) }],
    ),
    kind(
        ExternalSecrets,
        STORE,
        Cluster,
        (GENERATORS, "ClusterGenerator"),
        "clustergenerators",
        &[
            Base { at: "spec.generator.ecrAuthorizationTokenSpec", alternatives: generator!(User) },
            Base { at: "spec.generator.stsSessionTokenSpec", alternatives: generator!(User) },
        ],
    ),
    kind(CertManager, ROUTE53, Namespaced, ("cert-manager.io", "Issuer"), "issuers", route53!(Object)),
    kind(
        CertManager,
        ROUTE53,
        Cluster,
        ("cert-manager.io", "ClusterIssuer"),
        "clusterissuers",
        route53!(Setting("cert-manager")),
    ),
    kind(Flux, FLUX, Namespaced, (SOURCE_TOOLKIT, "Bucket"), "buckets", flux::BUCKET),
    kind(Flux, FLUX, Namespaced, (SOURCE_TOOLKIT, "OCIRepository"), "ocirepositories", flux::OCI_REPOSITORY),
    kind(Flux, FLUX, Namespaced, (SOURCE_TOOLKIT, "GitRepository"), "gitrepositories", flux::GIT_REPOSITORY),
    kind(
        Flux,
        FLUX,
        Namespaced,
        ("image.toolkit.fluxcd.io", "ImageRepository"),
        "imagerepositories",
        flux::IMAGE_REPOSITORY,
    ),
    kind(
        Flux,
        FLUX,
        Namespaced,
        ("kustomize.toolkit.fluxcd.io", "Kustomization"),
        "kustomizations",
        &[Base {
            at: "spec.decryption",
            alternatives: &[on(
                &[Test::Present("serviceAccountName")],
                WhoAt::Account {
                    name: "serviceAccountName",
                    namespace: Object,
                    role: RoleAt::AnnotationIfAny,
                    audience: AudienceAt::Sts,
                    unless_version: &[],
                },
                &[],
            )],
        }],
    ),
    // What `spec.kubeConfig.configMapRef` of a Kustomization or HelmRelease names.
    CustomKind {
        group: "",
        kind: "ConfigMap",
        listed: Listed::Never,
        scope: Namespaced,
        controller: Flux,
        source: FLUX,
        bases: &[Base {
            at: "data",
            alternatives: &[on(
                &[
                    Test::Is("provider", "aws"),
                    Test::StartsWith("cluster", "arn:"),
                    Test::Present("serviceAccountName"),
                ],
                WhoAt::Account {
                    name: "serviceAccountName",
                    namespace: Object,
                    role: RoleAt::Annotation,
                    audience: AudienceAt::Sts,
                    unless_version: &[],
                },
                &[],
            )],
        }],
    },
    kind(Keda, KEDA, Namespaced, ("keda.sh", "TriggerAuthentication"), "triggerauthentications", keda!(Object)),
    kind(
        Keda,
        KEDA,
        Cluster,
        ("keda.sh", "ClusterTriggerAuthentication"),
        "clustertriggerauthentications",
        keda!(User),
    ),
    kind(
        Crossplane,
        UPBOUND,
        Cluster,
        ("aws.upbound.io", "ProviderConfig"),
        "providerconfigs",
        provider_config!(Required("serviceAccountRef.namespace")),
    ),
    kind(
        Crossplane,
        UPBOUND,
        Namespaced,
        ("aws.m.upbound.io", "ProviderConfig"),
        "providerconfigs",
        provider_config!(Object),
    ),
    kind(
        Crossplane,
        UPBOUND,
        Cluster,
        ("aws.m.upbound.io", "ClusterProviderConfig"),
        "clusterproviderconfigs",
        provider_config!(Required("serviceAccountRef.namespace")),
    ),
    kind(
        Crossplane,
        "crossplane-contrib/provider-aws: AUTHENTICATION.md",
        Cluster,
        ("aws.crossplane.io", "ProviderConfig"),
        "providerconfigs",
        &[Base {
            at: "spec",
            alternatives: &[
                on(
                    &[Test::Present("assumeRoleWithWebIdentity")],
                    WhoAt::Controller { role: Some("assumeRoleWithWebIdentity.roleARN") },
                    &[],
                ),
                on(
                    &[Test::Is("credentials.source", "InjectedIdentity"), Test::Present("assumeRole")],
                    WhoAt::Controller { role: Some("assumeRole.roleARN") },
                    &[],
                ),
                on(
                    &[Test::Is("credentials.source", "InjectedIdentity")],
                    WhoAt::Controller { role: Some("assumeRoleARN") },
                    &[],
                ),
                on(&[Test::Present("credentials.source")], WhoAt::Keys, &[hop("", "assumeRoleARN")]),
            ],
        }],
    ),
    kind(
        Crossplane,
        "crossplane: apis/pkg/v1beta1/deployment_runtime_config_types.go",
        Cluster,
        ("pkg.crossplane.io", "DeploymentRuntimeConfig"),
        "deploymentruntimeconfigs",
        &[Base { at: "spec.serviceAccountTemplate.metadata", alternatives: &[on(IS_ANNOTATED, ANNOTATED, &[])] }],
    ),
    kind(
        Crossplane,
        "crossplane: apis/pkg/v1alpha1/config.go",
        Cluster,
        ("pkg.crossplane.io", "ControllerConfig"),
        "controllerconfigs",
        &[Base { at: "metadata", alternatives: &[on(IS_ANNOTATED, ANNOTATED, &[])] }],
    ),
    kind(
        Ack,
        "aws-controllers-k8s/runtime: apis/core/v1alpha1/iam_role_selector.go",
        Cluster,
        ("services.k8s.aws", "IAMRoleSelector"),
        "iamroleselectors",
        &[Base { at: "spec", alternatives: &[on(&[], WhoAt::Controller { role: Some("arn") }, &[])] }],
    ),
];
