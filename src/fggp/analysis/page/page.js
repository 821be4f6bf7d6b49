"use strict";
// Shows one of the parts that are in the page already; every number was computed before.
(() => {
  const form = document.getElementById("parts");
  const view = document.getElementById("view");
  const status = document.getElementById("status");
  const kinds = ["backbone", "sparsity", "start"];
  const whole = view.cloneNode(true);

  const select = (kind) => form.elements.namedItem(kind);
  const has = (kind, key) => {
    const found = select(kind);
    return key === "" || (found && [...found.options].some((option) => option.value === key));
  };

  // A view can be linked to: page.html#backbone=vgg19&sparsity=0.95&start=0.5
  function asked() {
    const given = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries(kinds.map((kind) => [kind, given.get(kind) ?? ""]));
  }

  function nodesOf(part) {
    const all = kinds.every((kind) => part[kind] === "");
    const there = [...document.querySelectorAll("template[data-words]")];
    const template = there.find((it) => kinds.every((kind) => it.dataset[kind] === part[kind]));
    const source = all ? whole : template;
    const nodes = (all ? whole : template.content).cloneNode(true).childNodes;
    return { name: source.dataset.name, words: source.dataset.words, nodes: [...nodes] };
  }

  const stands = (row, part) =>
    kinds.every((kind) => {
      const keys = kind === "backbone" ? [row.dataset.backbone] : row.dataset[kind].split(" ");
      return part[kind] === "" || keys.includes(part[kind]);
    });

  function followed(table, part, name) {
    let csv = table.dataset.csv;
    for (const group of table.tBodies) {
      let shown = 0;
      for (const row of group.querySelectorAll("tr[data-csv]")) {
        row.hidden = !stands(row, part);
        if (!row.hidden) {
          shown += 1;
          csv += row.dataset.csv;
        }
      }
      group.hidden = shown === 0;
    }
    const link = document.getElementById(table.dataset.link);
    link.href = "data:text/csv;charset=utf-8," + encodeURIComponent(csv);
    link.download = `${form.dataset.stem}-${name}-${table.dataset.name}.csv`;
  }

  function show(part) {
    const unknown = kinds.filter((kind) => !has(kind, part[kind]));
    const said = unknown.map((kind) => `There is no ${kind} ${part[kind]} to choose here. `);
    for (const kind of unknown) part[kind] = "";
    for (const kind of kinds) if (select(kind)) select(kind).value = part[kind];
    const { name, words, nodes } = nodesOf(part);
    view.replaceChildren(...nodes);
    for (const table of document.querySelectorAll("table[data-link]")) followed(table, part, name);
    status.textContent = `${said.join("")}Shown: ${words}.`;
  }

  function choose() {
    const chosen = kinds.map((kind) => [kind, select(kind)?.value ?? ""]);
    show(Object.fromEntries(chosen));
    location.replace(`#${new URLSearchParams(chosen.filter(([, key]) => key !== ""))}`);
  }

  form.addEventListener("change", choose);
  form.addEventListener("reset", () => setTimeout(choose));
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => {
    // A jump to a section leaves the chosen part as it is.
    if (location.hash === "" || location.hash.includes("=")) show(asked());
  });
  form.hidden = false;
  show(asked());
})();
