// The engine of @cloud-copilot/iam-simulate, and how a case becomes what it asks for.
//
// The engine is called below its front door: the front drops every condition key that is not on its list, and its
// pattern for OIDC keys allows no "/" before ":sub", so it would ignore the keys of every EKS issuer.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const engine = join(dirname(require.resolve('@cloud-copilot/iam-simulate')), '..', 'esm');
const load = (path) => import(pathToFileURL(join(engine, path)).href);

const { authorize } = await load('core_engine/CoreSimulatorEngine.js');
const { AwsRequestImpl } = await load('request/request.js');
const { RequestContextImpl } = await load('requestContext.js');
const { DiscoveryContextKeyConstraints } = await load('context_keys/discoveryContextKeyConstraints.js');
const { loadPolicy } = await import('@cloud-copilot/iam-policy');

const ELSEWHERE = '999999999999';
const DECISIONS = {
  Allowed: 'allowed',
  ExplicitlyDenied: 'explicitDeny',
  ImplicitlyDenied: 'implicitDeny'
};

// The engine knows no request without a principal. Identity policies do not look at it, so any will do.
function principalOf({ principal, principalAccount }) {
  if (principal === 'none') return `arn:aws:iam::${principalAccount}:role/somebody`;
  return principal.aws ?? principal.federated ?? principal.service;
}

// One session policy is all that the engine takes; several together allow and deny what their statements do.
function merged(documents) {
  if (documents === undefined) return undefined;
  return {
    Version: documents[0]?.Version,
    Statement: documents.flatMap((document) => document.Statement ?? [])
  };
}

// Loads the policies of a case; what it returns decides it, as often as it is asked.
export function prepare({ request, policies }) {
  // Without a principal the resource's policy is not asked; its owner is the requester's account.
  const anyone = request.principal === 'none';
  const sameAccount = anyone || policies.sameAccount;
  const resource = {
    resource: request.resource ?? '*',
    accountId: sameAccount ? request.principalAccount : ELSEWHERE
  };
  const session = merged(policies.session);
  const asked = {
    request: new AwsRequestImpl(
      principalOf(request),
      resource,
      request.action,
      new RequestContextImpl(request.context),
      request.resource === undefined
    ),
    identityPolicies: policies.identity.map((document, index) => loadPolicy(document, { name: `identity-${index}` })),
    resourcePolicy: policies.trust && !anyone ? loadPolicy(policies.trust, { name: 'trust' }) : undefined,
    permissionBoundaries: policies.boundary ? [loadPolicy(policies.boundary, { name: 'boundary' })] : undefined,
    sessionPolicy: session && loadPolicy(session, { name: 'session' }),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    vpcEndpointPolicies: undefined,
    simulationParameters: {
      simulationMode: 'Strict',
      discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints()
    }
  };
  return () => DECISIONS[authorize(asked).result] ?? null;
}
