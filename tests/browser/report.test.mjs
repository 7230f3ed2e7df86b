// Opens the page of `rolecall check --format html` in a real browser.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..", "..");
const program = process.env.ROLECALL_PROGRAM || join(root, "target", "debug", "rolecall");
const axe = readFileSync(join(here, "node_modules", "axe-core", "axe.min.js"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "rolecall-browser-"));
const HOSTILE = "</script><img src=x onerror=alert(1)>";
let browser;

/** Checks manifests and writes the page; findings make the exit code 1. */
function page(name, args) {
  const file = join(folder, `${name}.html`);
  try {
    execFileSync(program, ["check", ...args, "--output", `html=${file}`], { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    if (error.status !== 1) throw error;
  }
  return pathToFileURL(file).href;
}

/** Opens a page, and keeps what it asked for and complained of. */
async function open(address, options = {}) {
  const context = await browser.newContext({ colorScheme: "light", viewport: { width: 1280, height: 900 }, ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const opened = await context.newPage();
  opened.complaints = [];
  opened.requests = [];
  opened.on("console", (message) => ["error", "warning"].includes(message.type()) && opened.complaints.push(message.text()));
  opened.on("pageerror", (error) => opened.complaints.push(String(error)));
  opened.on("dialog", (dialog) => {
    opened.complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  opened.on("request", (request) => opened.requests.push(request.url()));
  await opened.goto(address);
  await opened.waitForSelector("html[data-ready]");
  return opened;
}

async function violations(opened) {
  const found = await opened.evaluate(async (source) => {
    if (!window.axe) (0, eval)(source);
    return (await window.axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`);
  }, axe);
  return found;
}

const rowsOf = (opened) => opened.locator("#view tbody tr").count();
const shop = ["examples/shop", "--source", "examples/shop/snapshot.json", "--level", "strict"].map((word) =>
  word.startsWith("examples/") ? join(root, word) : word);
let addresses;

before(async () => {
  const executablePath = execFileSync(join(here, "chromium.sh"), { encoding: "utf8" }).trim().split("\n").pop();
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const manifest = (number, image) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: service-${number}, namespace: team-${number % 100}}
spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: service-${number},
  containers: [{name: app, image: ${image}, env: [{name: AWS_REGION, value: us-west-2}, {name: SQS_QUEUE_URL,
  value: "https://sqs.us-west-2.amazonaws.com/111122223333/orders"}]}]}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: service-${number}, namespace: team-${number % 100}}
`;
  const many = join(folder, "many.yaml");
  writeFileSync(many, Array.from({ length: 5000 }, (_, number) => manifest(number, "app")).join("---\n"));
  const hostile = join(folder, "hostile.yaml");
  writeFileSync(hostile, `apiVersion: v1
kind: ServiceAccount
metadata: {name: carts, namespace: carts, annotations: {eks.amazonaws.com/role-arn: ${JSON.stringify(HOSTILE)}}}
---
apiVersion: v1
kind: Pod
metadata: {name: ${JSON.stringify(HOSTILE)}, namespace: carts}
spec: {serviceAccountName: carts, containers: [{name: app, image: app}]}
`);
  const snapshot = ["--source", join(root, "examples/shop/snapshot.json")];
  addresses = { shop: page("shop", shop), many: page("many", [many, ...snapshot]), hostile: page("hostile", [hostile, ...snapshot]) };
});

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the page asks for nothing, complains of nothing, and shows every container", async () => {
  const opened = await open(addresses.shop);
  const report = JSON.parse(await opened.locator("#data").textContent());
  assert.equal(await rowsOf(opened), report.workloads.length);
  for (const tab of await opened.locator("#views button").all()) await tab.click();
  assert.deepEqual(opened.requests.filter((address) => !address.startsWith("file:") && !address.startsWith("data:")), []);
  assert.deepEqual(opened.complaints, []);
  await opened.context().close();
});

test("filters and order", async () => {
  const opened = await open(addresses.shop);
  const report = JSON.parse(await opened.locator("#data").textContent());
  const withIdentity = (identity) => report.workloads.filter((workload) => workload.identity === identity).length;
  await opened.selectOption("#filter-identity", "irsa");
  assert.equal(await rowsOf(opened), withIdentity("irsa"));
  await opened.fill("#filter-text", "carts-dev");
  assert.ok((await rowsOf(opened)) >= 1 && (await rowsOf(opened)) < withIdentity("irsa"));
  await opened.click("#clear");
  assert.equal(await rowsOf(opened), report.workloads.length);
  await opened.getByRole("button", { name: /on the node role/ }).click();
  assert.equal(await rowsOf(opened), withIdentity("node"));
  await opened.click("#clear");
  const head = opened.locator("#view th").filter({ hasText: "Workload" });
  const first = () => opened.locator("#view tbody tr").first().textContent();
  assert.equal(await head.getAttribute("aria-sort"), "ascending");
  const ascending = await first();
  await head.getByRole("button").click();
  assert.equal(await head.getAttribute("aria-sort"), "descending");
  assert.notEqual(await first(), ascending);
  await opened.context().close();
});

test("the chain marks the link that broke, with what was expected and found, and the fix can be copied", async () => {
  const opened = await open(addresses.shop);
  await opened.getByRole("button", { name: "Deployment carts/carts-dev" }).click();
  const broken = opened.locator("#detail .chain li.broken");
  assert.equal(await broken.count(), 1);
  assert.equal(await broken.getAttribute("data-link"), "trust");
  const text = await broken.textContent();
  assert.match(text, /expected.*system:serviceaccount:.*found.*system:serviceaccount:carts:carts-dev/s);
  const code = await opened.locator("#detail pre").first().textContent();
  assert.match(code, /^aws iam get-role/);
  await opened.locator("#detail .copy").first().click();
  assert.equal(await opened.evaluate(() => navigator.clipboard.readText()), code);
  await opened.keyboard.press("Escape");
  assert.equal(await opened.locator("#detail").isVisible(), false);
  await opened.selectOption("#language", "terraform");
  await opened.getByRole("button", { name: "Deployment carts/carts-dev" }).click();
  assert.match(await opened.locator("#detail pre").first().textContent(), /aws_iam_/);
  await opened.context().close();
});

test("it can be used with the keyboard alone", async () => {
  const opened = await open(addresses.shop);
  await opened.locator("#tab-roll-call").focus();
  await opened.keyboard.press("ArrowRight");
  assert.equal(await opened.evaluate(() => document.activeElement.id), "tab-findings");
  assert.equal(await opened.locator("#tab-findings").getAttribute("aria-selected"), "true");
  await opened.keyboard.press("ArrowLeft");
  await opened.locator("#view td button.open").first().focus();
  await opened.keyboard.press("Enter");
  assert.equal(await opened.evaluate(() => document.activeElement.id), "close");
  await opened.context().close();
});

test("names from a manifest stay text", async () => {
  const opened = await open(addresses.hostile);
  assert.equal(await opened.locator("img").count(), 0);
  for (const tab of await opened.locator("#views button").all()) await tab.click();
  await opened.locator("#tab-roll-call").click();
  await opened.locator("#view td button.open").first().click();
  assert.equal(await opened.locator("img").count(), 0);
  assert.ok((await opened.locator("#detail").textContent()).includes("onerror"));
  assert.deepEqual(opened.complaints, []);
  await opened.context().close();
});

test("axe finds no violation, in light and dark, wide and narrow", async () => {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      const opened = await open(addresses.shop, { colorScheme, viewport: { width, height: 900 } });
      for (const tab of await opened.locator("#views button").all()) {
        await tab.click();
        for (const box of await opened.locator("#view details").all()) await box.evaluate((element) => { element.open = true; });
        assert.deepEqual(await violations(opened), [], `${colorScheme} ${width} ${await tab.textContent()}`);
      }
      await opened.locator("#tab-roll-call").click();
      await opened.getByRole("button", { name: "Deployment carts/carts-dev" }).click();
      assert.deepEqual(await violations(opened), [], `${colorScheme} ${width} details`);
      await opened.context().close();
    }
  }
});

test("5,000 workloads: a part is shown, all are printed, and a filter finds one", async () => {
  const opened = await open(addresses.many);
  assert.ok((await rowsOf(opened)) < 1000);
  const times = await opened.evaluate(() => {
    const input = document.getElementById("filter-text");
    const started = performance.now();
    input.value = "team-77";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    void document.body.offsetHeight;
    const { loadEventEnd, startTime } = performance.getEntriesByType("navigation")[0];
    return { load: Math.round(loadEventEnd - startTime), filter: Math.round(performance.now() - started) };
  });
  await opened.fill("#filter-text", "service-4321");
  assert.equal(await rowsOf(opened), 1);
  await opened.fill("#filter-text", "");
  await opened.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
  assert.equal(await rowsOf(opened), 5000);
  console.log(`5,000 workloads: loaded in ${times.load} ms, filtered in ${times.filter} ms`);
  await opened.context().close();
});
