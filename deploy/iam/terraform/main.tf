# The role that rolecall runs as, by Pod Identity, with the rights of the features that are switched on. The policies are
# the JSON files beside this folder; a test holds them to what rolecall calls.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40"
    }
  }
}

variable "cluster" {
  description = "Name of the EKS cluster."
  type        = string
}

variable "namespace" {
  description = "Namespace that rolecall runs in."
  type        = string
  default     = "rolecall"
}

variable "service_account" {
  description = "Service account that rolecall runs as."
  type        = string
  default     = "rolecall"
}

variable "collect" {
  description = "As in rolecall's configuration: named or account."
  type        = string
  default     = "named"
  validation {
    condition     = contains(["named", "account"], var.collect)
    error_message = "Must be named or account."
  }
}

variable "policies" {
  description = "Whether the policies of roles are read too."
  type        = bool
  default     = false
}

variable "reader_roles" {
  description = "ARNs of the roles in other accounts that rolecall assumes."
  type        = list(string)
  default     = []
}

variable "snapshot" {
  description = "Where the shared snapshot lies, as BUCKET/KEY, and whether rolecall writes it."
  type = object({
    object = string
    write  = bool
  })
  default = null
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  read = merge(
    { cluster = "cluster.json" },
    var.collect == "account" ? { account = "account.json" } : { named = "named.json", refresh = "refresh.json" },
    var.policies && var.collect == "named" ? { policies = "policies.json" } : {},
  )
  filled = {
    for name, file in local.read : name => replace(replace(replace(replace(
      file("${path.module}/../${file}"),
      "PARTITION", data.aws_partition.this.partition),
      "REGION", data.aws_region.this.name),
      "ACCOUNT", data.aws_caller_identity.this.account_id),
    "CLUSTER", var.cluster)
  }
  snapshot_file = var.snapshot == null ? null : var.snapshot.write ? "snapshot-s3-write.json" : "snapshot-s3-read.json"
}

resource "aws_iam_role" "rolecall" {
  name = "rolecall-${var.cluster}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
    }]
  })
}

resource "aws_iam_role_policy" "read" {
  for_each = local.filled
  name     = each.key
  role     = aws_iam_role.rolecall.id
  policy   = each.value
}

resource "aws_iam_role_policy" "cross_account" {
  count = length(var.reader_roles) > 0 ? 1 : 0
  name  = "cross-account"
  role  = aws_iam_role.rolecall.id
  policy = jsonencode(merge(
    jsondecode(file("${path.module}/../cross-account.json")),
    { Statement = [for statement in jsondecode(file("${path.module}/../cross-account.json")).Statement :
    merge(statement, { Resource = var.reader_roles })] },
  ))
}

resource "aws_iam_role_policy" "snapshot" {
  count = var.snapshot == null ? 0 : 1
  name  = "snapshot"
  role  = aws_iam_role.rolecall.id
  policy = replace(replace(
    file("${path.module}/../${local.snapshot_file}"),
    "PARTITION", data.aws_partition.this.partition),
  "BUCKET/KEY", var.snapshot.object)
}

resource "aws_eks_pod_identity_association" "rolecall" {
  cluster_name    = var.cluster
  namespace       = var.namespace
  service_account = var.service_account
  role_arn        = aws_iam_role.rolecall.arn
}

output "role_arn" {
  description = "The role; other accounts' readers name it in cross-account-trust.json."
  value       = aws_iam_role.rolecall.arn
}
