"use strict";
// Everything that comes from the report is put into the page as text, never as markup.
(() => {
  const report = JSON.parse(document.getElementById("data").textContent);
  const summary = report.summary;
  const byId = (id) => document.getElementById(id);
  const PAGE = 200;

  /** An element with attributes and children; texts become text nodes. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat()) {
      if (child !== undefined && child !== null && child !== false) element.append(child);
    }
    return element;
  }
  const plural = (count, one, many = one + "s") => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
  const nameOf = ({ namespace, kind, name }) => (namespace ? `${kind} ${namespace}/${name}` : `${kind} ${name}`);
  const keyOf = (resource) => JSON.stringify([resource.namespace, resource.kind, resource.name]);
  const shortRole = (arn) => (arn ? arn.slice(arn.indexOf(":role/") + 6) : "");
  const accountOf = (arn) => (arn ? arn.split(":")[4] : "");

  const WORDS = {
    irsa: "IRSA", "pod-identity": "Pod Identity", "static-keys": "static keys", node: "node role", none: "none", "task-role": "task role",
    administrator: "administrator", "can-escalate": "can raise itself", wildcards: "whole services", scoped: "scoped", "not-read": "policies not read",
    "service-account": "this service account", namespace: "its namespace", cluster: "the cluster", account: "clusters of the account", wider: "wider",
  };
  const words = (name) => WORDS[name] || name || "";
  const POWER = ["administrator", "can-escalate", "wildcards", "scoped", "not-read"];
  const WIDTH = ["service-account", "namespace", "cluster", "account", "wider"];
  const CERTAINTY = { certain: 0, likely: 1, undecided: 2 };
  const day = (time) => (time ? time.slice(0, 10) : "");

  const roles = new Map((report.roles || []).map((role) => [role.arn, role]));
  const findings = new Map();
  for (const finding of report.findings) {
    const key = keyOf(finding.resource);
    if (!findings.has(key)) findings.set(key, []);
    findings.get(key).push(finding);
  }
  for (const list of findings.values()) list.sort((a, b) => CERTAINTY[a.certainty] - CERTAINTY[b.certainty]);

  /** The findings of a container: its own, those of its workload, and those of its service account. */
  function findingsOf(workload) {
    const own = (findings.get(keyOf(workload.resource)) || []).filter((f) => !f.container || f.container === workload.container);
    const account = { namespace: workload.resource.namespace, kind: "ServiceAccount", name: workload.serviceAccount || "" };
    const seen = new Set(own.map((f) => f.rule));
    return own.concat((findings.get(keyOf(account)) || []).filter((f) => !seen.has(f.rule)));
  }

  const rows = report.workloads.map((workload) => {
    const role = roles.get(workload.role);
    const list = findingsOf(workload);
    const cause = list.find((f) => f.certainty !== "undecided") || list[0];
    const row = {
      workload, role, cause, name: nameOf(workload.resource), namespace: workload.resource.namespace, container: workload.container,
      identity: workload.identity, arn: workload.role || "", account: accountOf(workload.role), chain: workload.chain,
      why: cause ? `${cause.message} [${cause.rule}]` : "", power: role && role.power, width: role && role.trustWidth,
      used: role && role.lastUsed, team: workload.team || "", pods: workload.count === undefined ? 1 : workload.count,
    };
    row.text = [row.name, row.container, row.arn, row.why, row.team, words(row.identity), workload.serviceAccount || ""].join("\n").toLowerCase();
    return row;
  });

  // ---------------------------------------------------------------- tables

  /** A table that shows its first rows, sorts by its heads, and shows more on demand. All rows are printed. */
  function table(caption, columns, list, sorted) {
    let order = sorted || { column: -1, down: false };
    let shown = PAGE;
    const body = make("tbody");
    const more = make("p", { class: "more" });
    const heads = columns.map((column, index) => {
      const button = make("button", { type: "button", onclick: () => sort(index) }, column.title);
      return make("th", { scope: "col" }, button);
    });
    const captioned = make("caption", {}, caption(list.length));
    const element = make("div", {}, make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption(list.length) },
      make("table", {}, captioned, make("thead", {}, make("tr", {}, heads)), body)), more);
    function sort(index) {
      order = { column: index, down: order.column === index ? !order.down : false };
      arrange();
    }
    function arrange() {
      if (order.column >= 0) {
        const value = columns[order.column].value;
        const sign = order.down ? -1 : 1;
        list = list.map((item) => [value(item), item])
          .sort(([a], [b]) => sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en")))
          .map(([, item]) => item);
      }
      heads.forEach((head, index) => {
        if (index === order.column) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      draw();
    }
    function draw() {
      body.replaceChildren(...list.slice(0, shown).map((item) => make("tr", {}, columns.map((column) => {
        const content = column.cell ? column.cell(item) : String(column.value(item));
        return make("td", { class: column.class && column.class(item) }, content);
      }))));
      const left = list.length - Math.min(shown, list.length);
      more.replaceChildren(...(left > 0 ? [make("button", { type: "button", onclick: () => { shown += 1000; draw(); } },
        `Show ${Math.min(left, 1000)} more of ${left}`)] : []));
    }
    element.showAll = () => { shown = Infinity; draw(); };
    element.update = (next) => {
      list = next;
      shown = PAGE;
      captioned.textContent = caption(next.length);
      arrange();
    };
    arrange();
    return element;
  }

  let current = null;
  window.addEventListener("beforeprint", () => current && current.showAll && current.showAll());

  function say(text) {
    byId("status").textContent = text;
  }

  // ---------------------------------------------------------------- the roll call

  const filter = { text: "", identity: "", chain: "", namespace: "", power: "", account: "" };
  const distinct = (of) => [...new Set(rows.map(of).filter(Boolean))].sort();

  function rollCall() {
    const columns = [
      { title: "Workload", value: (row) => row.name, class: () => "name", cell: (row) =>
        make("button", { type: "button", class: "open", onclick: () => openWorkload(row) }, row.name) },
      { title: "Container", value: (row) => row.container, cell: (row) => [row.container, row.pods > 1 && make("span", { class: "dim" }, ` (${row.pods} pods)`)] },
      ...(rows.some((row) => row.team) ? [{ title: "Team", value: (row) => row.team }] : []),
      { title: "Identity", value: (row) => words(row.identity) },
      { title: "Role", value: (row) => shortRole(row.arn), cell: (row) => row.arn
        ? make("button", { type: "button", class: "open", title: row.arn, onclick: () => openRole(row.arn) }, shortRole(row.arn)) : "" },
      { title: "Account", value: (row) => row.account, class: () => "short" },
      { title: "Works", value: (row) => ["broken", "unknown", "holds"].indexOf(row.chain), cell: (row) =>
        ({ holds: "yes", broken: "no", unknown: "unknown" })[row.chain], class: (row) => row.chain },
      ...[
        { title: "Power", of: "power", value: (row) => (row.power ? POWER.indexOf(row.power) : 9), cell: (row) => words(row.power) },
        { title: "Trusted", of: "width", value: (row) => (row.width ? -WIDTH.indexOf(row.width) : 9), cell: (row) => words(row.width) },
        { title: "Last used", of: "used", value: (row) => row.used || "", cell: (row) => (row.used === null ? "not in 400 days" : day(row.used)) },
      ].filter(({ of }) => rows.some((row) => row[of] !== undefined)),
      { title: "Why", value: (row) => row.why },
    ];
    const list = table((count) => `${plural(count, "container")} of ${rows.length.toLocaleString("en")}`, columns, matching(), { column: 0, down: false });
    const select = (label, name, values) => make("label", {}, label, make("select", { id: `filter-${name}`, onchange: (event) => {
      filter[name] = event.target.value;
      refresh();
    } }, make("option", { value: "" }, "all"), values.map((value) => make("option", { value, selected: filter[name] === value }, words(value)))));
    const search = make("input", { type: "search", id: "filter-text", value: filter.text, oninput: (event) => {
      filter.text = event.target.value;
      refresh();
    } });
    function refresh() {
      const found = matching();
      list.update(found);
      say(plural(found.length, "container"));
    }
    current = list;
    return [make("div", { class: "filters" },
      make("label", {}, "Search", search),
      select("Identity", "identity", distinct((row) => row.identity)),
      select("Works", "chain", distinct((row) => row.chain)),
      select("Namespace", "namespace", distinct((row) => row.namespace)),
      select("Account", "account", distinct((row) => row.account)),
      select("Power", "power", distinct((row) => row.power)),
      make("button", { type: "button", id: "clear", onclick: () => {
        for (const name of Object.keys(filter)) filter[name] = "";
        show("roll-call");
      } }, "Clear")), list];
  }

  function matching() {
    const text = filter.text.trim().toLowerCase();
    return rows.filter((row) => (!text || row.text.includes(text)) && (!filter.identity || row.identity === filter.identity)
      && (!filter.chain || row.chain === filter.chain) && (!filter.namespace || row.namespace === filter.namespace)
      && (!filter.account || row.account === filter.account) && (!filter.power || row.power === filter.power));
  }

  // ---------------------------------------------------------------- one workload

  const LINKS = [
    ["service-account", "Service account"], ["assignment", "Annotation or association"], ["credentials", "Credentials in the pod"],
    ["provider", "OIDC provider"], ["trust", "Trust policy"], ["role", "Role"], ["permissions", "Permissions"],
  ];

  function values(finding) {
    const list = make("dl");
    const add = (label, value) => value && list.append(make("dt", {}, label), make("dd", {}, value));
    add("expected", finding.expected);
    add("found", finding.found);
    add("hint", finding.hint);
    return list;
  }

  /** The chain of a container; the link that broke is marked, and those behind it were not reached. */
  function chain(row) {
    const { workload } = row;
    const list = findingsOf(workload);
    const at = (link) => list.find((finding) => finding.link === link && finding.certainty !== "undecided")
      || list.find((finding) => finding.link === link);
    const isPodIdentity = workload.identity === "pod-identity";
    const known = {
      "service-account": workload.serviceAccount && `${workload.resource.namespace}/${workload.serviceAccount}`,
      assignment: { irsa: "annotation of the service account (IRSA)", "pod-identity": "Pod Identity association" }[workload.identity] || words(workload.identity),
      role: workload.role,
    };
    let broken = false;
    const items = LINKS.filter(([link]) => !(link === "provider" && isPodIdentity)).map(([link, title]) => {
      const finding = at(link);
      let state = workload.chain === "holds" ? "holds" : "unknown";
      if (finding && finding.certainty !== "undecided") state = "broken";
      else if (finding) state = "unknown";
      else if (broken) state = "after";
      else if (["node", "none", "static-keys"].includes(workload.identity) && link !== "service-account") state = "after";
      if (link === "permissions" && !finding) state = "after";
      const isFirst = state === "broken" && !broken;
      broken = broken || state === "broken";
      const told = { holds: "holds", broken: "broken", unknown: "unknown", after: "not checked" }[state];
      const mark = { holds: "✓", broken: "✗", unknown: "?", after: "·" }[state];
      return make("li", { class: state, "data-link": link }, make("span", { class: "mark", "aria-hidden": "true" }, mark),
        make("span", { class: "link" }, title), make("span", { class: "dim" }, ` ${told}`), known[link] && make("div", {}, known[link]),
        finding && (isFirst || state === "unknown") && make("div", {}, finding.message, values(finding)));
    });
    return make("ol", { class: "chain", "aria-label": "Chain from the pod to its permissions" },
      make("li", { class: "holds" }, make("span", { class: "mark", "aria-hidden": "true" }, "✓"), make("span", { class: "link" }, "Pod"),
        make("div", {}, `${row.name}, container ${workload.container}`)), items);
  }

  function copy(text) {
    const button = make("button", { type: "button", class: "copy", onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const area = make("textarea", { class: "hidden" });
        area.value = text;
        button.after(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      button.textContent = "Copied";
      say("Copied");
    } }, "Copy");
    return button;
  }

  function fix(finding) {
    const language = byId("language").value;
    const fixes = finding.fixes || {};
    const code = fixes[language] || fixes.cli;
    return [make("p", {}, make("strong", {}, "Fix: "), fixes.sentence || finding.fix), fixes.account && make("p", { class: "dim" }, `in account ${fixes.account}`),
      code && make("div", {}, make("pre", { tabindex: "0" }, code), copy(code))];
  }

  function finding(item, withResource) {
    const place = item.location && `${item.location.file}:${item.location.line}`;
    return make("article", { class: "finding" },
      make("p", {}, make("span", { class: item.certainty }, item.certainty), ` ${item.message} `, make("code", {}, item.rule)),
      make("p", { class: "dim" }, [withResource && nameOf(item.resource), item.container && `container ${item.container}`, place,
        item.count !== undefined && plural(item.count, "pod"), item.impact].filter(Boolean).join(" · ")),
      values(item), (item.notes || []).map((note) => make("p", { class: "dim" }, note)), fix(item),
      item.docs && make("p", {}, make("a", { href: item.docs, rel: "noreferrer" }, `about ${item.rule}`)));
  }

  let reopen = null;
  function open(title, content) {
    byId("detail-title").textContent = title;
    byId("detail-body").replaceChildren(...content.flat().filter(Boolean));
    if (!byId("detail").open) byId("detail").showModal();
    byId("close").focus();
  }

  function openWorkload(row) {
    reopen = () => openWorkload(row);
    const list = findingsOf(row.workload);
    open(row.name, [chain(row), list.length > 0 && make("h3", {}, plural(list.length, "finding")), list.map((item) => finding(item))]);
  }

  function openRole(arn) {
    reopen = () => openRole(arn);
    const role = roles.get(arn) || {};
    const having = rows.filter((row) => row.arn === arn);
    const facts = make("dl");
    const add = (label, value) => value && facts.append(make("dt", {}, label), make("dd", {}, value));
    add("ARN", arn);
    add("account", accountOf(arn));
    add("power", role.power && [words(role.power), (role.powerBy || []).join(", ")].filter(Boolean).join(": "));
    add("can be assumed by", words(role.trustWidth));
    add("last used", role.lastUsed === null ? "not in the last 400 days" : role.lastUsed);
    const entries = having.slice(0, 500).map((row) => make("li", {},
      make("button", { type: "button", class: "open", onclick: () => openWorkload(row) }, `${row.name}, ${row.container}`), ` ${row.chain}`));
    open(`Role ${shortRole(arn)}`, [facts, make("h3", {}, `Used by ${plural(having.length, "container")}`), make("ul", {}, entries)]);
  }
  byId("close").addEventListener("click", () => byId("detail").close());
  byId("language").addEventListener("change", () => {
    if (byId("detail").open && reopen) reopen();
    else if (view === "findings") show("findings");
  });

  // ---------------------------------------------------------------- the other views

  let groupBy = "namespace";
  function findingsView() {
    const of = { namespace: (f) => f.resource.namespace || "without a namespace", rule: (f) => f.rule, team: (f) => f.team || "without a team" }[groupBy];
    const groups = new Map();
    for (const item of report.findings) {
      const key = of(item);
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(item);
    }
    const sorted = [...groups].sort(([a], [b]) => a.localeCompare(b, "en"));
    const hasTeams = report.findings.some((f) => f.team);
    const holder = make("div");
    const boxes = sorted.map(([key, list]) => {
      const box = make("details", {}, make("summary", {}, `${key}: ${plural(list.length, "finding")}`));
      const fill = () => box.children.length === 1 && list.slice(0, 200).forEach((item) => box.append(finding(item, true)));
      box.addEventListener("toggle", fill, { once: true });
      box.fill = fill;
      return box;
    });
    if (boxes.length === 1) boxes[0].open = true;
    holder.append(...boxes);
    holder.showAll = () => boxes.forEach((box) => { box.fill(); box.open = true; });
    current = holder;
    return [make("div", { class: "filters" }, make("label", {}, "Group by", make("select", { id: "group", onchange: (event) => {
      groupBy = event.target.value;
      show("findings");
    } }, ["namespace", "rule", ...(hasTeams ? ["team"] : [])].map((name) => make("option", { value: name, selected: groupBy === name }, name))))), holder];
  }

  function rolesView() {
    const columns = [
      { title: "Role", value: (role) => shortRole(role.arn), class: () => "name", cell: (role) =>
        make("button", { type: "button", class: "open", onclick: () => openRole(role.arn) }, shortRole(role.arn)) },
      { title: "Account", value: (role) => role.account },
      { title: "Containers", value: (role) => role.containers },
      { title: "Power", value: (role) => (role.power ? POWER.indexOf(role.power) : 9), cell: (role) =>
        [words(role.power) || "not in the snapshot", (role.powerBy || []).length > 0 && make("span", { class: "dim" }, ` ${role.powerBy.join(", ")}`)] },
      { title: "Can be assumed by", value: (role) => (role.trustWidth ? -WIDTH.indexOf(role.trustWidth) : 9), cell: (role) => words(role.trustWidth) },
      { title: "Last used", value: (role) => role.lastUsed || "", cell: (role) => (role.lastUsed === null ? "not in 400 days" : day(role.lastUsed)) },
    ];
    current = table((count) => plural(count, "role"), columns, report.roles || [], { column: 3, down: false });
    return [current];
  }

  function exemptionsView() {
    current = table((count) => plural(count, "exempted finding"), [
      { title: "Resource", value: (item) => nameOf(item.resource) },
      { title: "Rule", value: (item) => item.rule },
      { title: "What is hidden", value: (item) => item.message },
      { title: "By", value: (item) => item.exemption },
    ], report.exempted || []);
    return [current];
  }

  function orphansView() {
    current = table((count) => plural(count, "identity", "identities") + " that no workload has", [
      { title: "Service account", value: (item) => nameOf(item.resource) },
      { title: "Identity", value: (item) => words(item.identity) },
      { title: "Role", value: (item) => item.role || "" },
      { title: "Why", value: (item) => String(item.reason).replaceAll("-", " ") },
    ], report.orphans || []);
    return [current];
  }

  function notesView() {
    current = null;
    const unreadable = (report.unreadable || []).map((item) => `${item.file}:${item.line}: ${item.message}`);
    const notes = (summary.notes || []).concat((summary.notConsidered || []).map((part) => `not considered: ${part}`), unreadable);
    const health = Object.entries(report.health || {}).map(([name, part]) => `${name}: ${part.state}`);
    return [make("h2", {}, "Notes"), make("ul", {}, health.concat(notes).map((note) => make("li", {}, note)))];
  }

  // ---------------------------------------------------------------- the page

  const noteCount = (summary.notes || []).length + (summary.notConsidered || []).length + (report.unreadable || []).length + (report.health ? 2 : 0);
  const VIEWS = [
    ["roll-call", "Roll call", rollCall, rows.length], ["findings", "Findings", findingsView, report.findings.length],
    ["roles", "Roles", rolesView, (report.roles || []).length], ["exemptions", "Exemptions", exemptionsView, (report.exempted || []).length],
    ["orphans", "Unused identities", orphansView, (report.orphans || []).length], ["notes", "Notes", notesView, noteCount],
  ].filter(([id, , , count]) => count > 0 || id === "roll-call");

  let view = "roll-call";
  const tabs = VIEWS.map(([id, title, , count]) => make("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": "view",
    onclick: () => show(id), onkeydown: (event) => move(event, id) }, `${title} (${count.toLocaleString("en")})`));
  byId("views").append(...tabs);

  function move(event, id) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = VIEWS[(VIEWS.findIndex(([name]) => name === id) + step + VIEWS.length) % VIEWS.length][0];
    show(next);
    byId(`tab-${next}`).focus();
  }

  function show(id) {
    const found = VIEWS.find(([name]) => name === id) || VIEWS[0];
    view = found[0];
    VIEWS.forEach(([name], index) => {
      tabs[index].setAttribute("aria-selected", String(name === view));
      tabs[index].tabIndex = name === view ? 0 : -1;
    });
    byId("view").setAttribute("aria-labelledby", `tab-${view}`);
    byId("view").replaceChildren(...found[2]());
    history.replaceState(null, "", `#${view}`);
  }

  function totals() {
    const count = (test) => rows.filter(test).length;
    const to = (name, value) => () => {
      for (const key of Object.keys(filter)) filter[key] = "";
      if (name) filter[name] = value;
      show("roll-call");
    };
    const powerful = (row) => row.power === "administrator" || row.power === "can-escalate";
    const cards = [
      [rows.length, "containers", to()],
      [summary.certain, "certain findings", () => show("findings"), "certain"], [summary.likely, "likely findings", () => show("findings"), "likely"],
      [count((row) => row.chain === "broken"), "broken chains", to("chain", "broken")],
      [count((row) => row.identity === "node"), "on the node role", to("identity", "node")],
      [count((row) => row.identity === "static-keys"), "with static keys", to("identity", "static-keys")],
      [count(powerful), "administrators or able to become one", () => show("roles")],
      [summary.exempted || 0, "exempted", () => show("exemptions")],
    ];
    byId("totals").append(...cards.filter(([number], index) => index < 4 || number > 0).map(([number, label, action, kind]) =>
      make("li", {}, make("button", { type: "button", onclick: action }, make("b", { class: number > 0 && kind }, number.toLocaleString("en")), label))));
  }

  function about() {
    const cluster = summary.cluster ? `Cluster ${summary.cluster}` : "No cluster named";
    byId("title").textContent = summary.cluster ? `rolecall report: ${summary.cluster}` : "rolecall report";
    document.title = byId("title").textContent;
    const parts = [cluster, `level ${summary.level}`, summary.snapshotTime ? `AWS data of ${summary.snapshotTime}` : "without AWS data"];
    if (report.scannedAt) parts.push(`scanned ${report.scannedAt}`);
    if (summary.snapshotTime) {
      const hours = (Date.now() - Date.parse(summary.snapshotTime)) / 3600000;
      if (hours >= 1) parts.push(hours < 48 ? `${Math.round(hours)} h old` : `${Math.round(hours / 24)} days old`);
    }
    byId("about").textContent = parts.join(" · ");
  }

  const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const labelTheme = () => {
    byId("theme").textContent = dark() ? "Light" : "Dark";
    byId("theme").setAttribute("aria-pressed", String(dark()));
  };
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    labelTheme();
  });
  byId("print").addEventListener("click", () => window.print());
  window.addEventListener("hashchange", () => show(location.hash.slice(1)));

  labelTheme();
  about();
  totals();
  show(location.hash.slice(1) || "roll-call");
  document.documentElement.dataset.ready = "true";
})();
