// Evaluates requests against IAM policies: JSON on stdin, JSON on stdout. tests/permissions/simulator.py has the format.
//
// The simulator checks what it is given against AWS's service reference: an action, a resource type or a context key
// that AWS does not have is an error here, not a "no".
import { runSimulation } from "@cloud-copilot/iam-simulate";
import { text } from "node:stream/consumers";

const CONTEXT = "kms:EncryptionContext:";
const ALIAS = "aws:RequestTag/EncryptionContext:";

// Keys that end in a name of the caller's choice are known to the simulator only behind a slash (as in aws:RequestTag/),
// and those of an encryption context are written behind a colon: both sides go under an alias.
function aliased(value) {
  if (Array.isArray(value)) return value.map(aliased);
  if (value === null || typeof value !== "object") return value;
  const key = (name) => (name.startsWith(CONTEXT) ? ALIAS + name.slice(CONTEXT.length) : name);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [key(name), aliased(inner)]));
}

// Statements are told by their number, whatever they are called.
const numbered = (policy) => ({
  ...policy,
  Statement: policy.Statement.map((statement, number) => ({ ...aliased(statement), Sid: `${number}` })),
});

const matched = (elements, name) => [elements ?? []].flat().filter((one) => one.matches).map((one) => one[name]);

const listed = (statements, policy) =>
  (statements ?? []).map(({ policyId, explain, principalMatch }) => ({
    policy: policy ?? policyId,
    statement: Number(explain.identifier),
    actions: matched(explain.actions, "action"),
    resources: explain.resources ? matched(explain.resources, "resource") : ["*"],
    wholeAccount: principalMatch === "AccountLevelMatch",
  }));

const { policies, requests } = JSON.parse(await text(process.stdin));
const documents = Object.fromEntries(Object.entries(policies).map(([name, policy]) => [name, numbered(policy)]));
const everything = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] };

async function evaluate({ principal, action, resource, account, context, identity, resourcePolicy }) {
  const outcome = await runSimulation(
    {
      request: { principal, action, resource: { resource, accountId: account }, contextVariables: aliased(context) },
      identityPolicies: identity.map((name) => ({ name, policy: documents[name] })),
      resourcePolicy: resourcePolicy ? documents[resourcePolicy] : undefined,
      // An account without an organization, said as an organization that forbids nothing.
      serviceControlPolicies: [{ orgIdentifier: "account", policies: [{ name: "all", policy: everything }] }],
      resourceControlPolicies: [],
    },
    {},
  );
  if (outcome.resultType === "error") return { error: JSON.stringify(outcome.errors) };
  const results = outcome.resultType === "single" ? [outcome.result] : outcome.results;
  const ignored = results.flatMap((result) => result.ignoredContextKeys ?? []);
  if (ignored.length) return { error: `the action knows no context key ${[...new Set(ignored)].join(", ")}` };
  const statements = (kind) =>
    results.flatMap(({ analysis }) => [
      ...listed(analysis.identityAnalysis?.[kind]),
      ...listed(analysis.resourceAnalysis?.[kind], resourcePolicy),
    ]);
  return { result: outcome.overallResult, allows: statements("allowStatements"), denies: statements("denyStatements") };
}

process.stdout.write(JSON.stringify(await Promise.all(requests.map(evaluate))));
