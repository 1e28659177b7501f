// The Markdown that models write, as nodes: paragraphs, headings, lists, tables, code, bold, links.
import { el } from "./dom.js";

const FENCE = /^\s*(`{3,}|~{3,})/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^\s*(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const RULE = /^\s*([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^\s*>\s?/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const INLINE = /(`+)(.+?)\1(?!`)|\*\*(.+?)\*\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;

/** Shows a growing text in `node`; blocks that did not change keep their nodes. */
export class MarkdownView {
  #shown = [];

  constructor(node) {
    this.node = node;
  }

  update(text) {
    const sources = splitBlocks(text);
    let same = 0;
    while (same < sources.length && same < this.#shown.length && sources[same] === this.#shown[same]) same += 1;
    while (this.node.childNodes.length > same) this.node.lastChild.remove();
    for (const source of sources.slice(same)) this.node.append(renderBlock(source));
    this.#shown = sources;
  }
}

/** Cuts a text into the sources of its blocks. */
export function splitBlocks(text) {
  const blocks = [];
  let block = [];
  let fence = null;
  const close = () => {
    if (block.length) blocks.push(block.join("\n"));
    block = [];
  };
  for (const line of text.split("\n")) {
    const opened = FENCE.exec(line);
    if (fence) {
      block.push(line);
      if (opened && opened[1].startsWith(fence) && !line.trim().slice(opened[1].length)) {
        fence = null;
        close();
      }
    } else if (opened) {
      close();
      fence = opened[1];
      block.push(line);
    } else if (!line.trim()) {
      close();
    } else if (HEADING.test(line) || RULE.test(line)) {
      close();
      blocks.push(line);
    } else {
      if (block.length && kindOf(line) !== kindOf(block[0]) && !/^\s+\S/.test(line)) close();
      block.push(line);
    }
  }
  close();
  return blocks;
}

function kindOf(line) {
  if (ITEM.test(line)) return "list";
  if (QUOTE.test(line)) return "quote";
  return /^\s*\|/.test(line) ? "table" : "text";
}

function renderBlock(source) {
  const lines = source.split("\n");
  const first = lines[0];
  if (FENCE.test(first)) return code(lines);
  const heading = HEADING.exec(first);
  if (heading) return el(`h${Math.min(heading[1].length + 2, 6)}`, {}, ...inline(heading[2]));
  if (RULE.test(first)) return el("hr");
  if (ITEM.test(first)) return list(lines);
  if (QUOTE.test(first)) {
    const quoted = lines.map((line) => line.replace(QUOTE, "")).join("\n");
    return el("blockquote", {}, ...splitBlocks(quoted).map(renderBlock));
  }
  if (lines.length > 1 && first.includes("|") && TABLE_RULE.test(lines[1])) return table(lines);
  return el("p", {}, ...inline(source));
}

function code(lines) {
  const closed = lines.length > 1 && FENCE.test(lines.at(-1));
  return el("pre", { tabindex: "0" }, el("code", {}, lines.slice(1, closed ? -1 : undefined).join("\n")));
}

function list(lines) {
  const items = [];
  for (const line of lines) {
    const found = ITEM.exec(line);
    if (found) items.push(found[2]);
    else items[items.length - 1] += `\n${line.trim()}`;
  }
  const number = ITEM.exec(lines[0])[1];
  const start = number && number !== "1" ? number : null;
  const nodes = items.map((text) => el("li", {}, ...inline(text.replace(/^\[ \] /, "☐ ").replace(/^\[[xX]\] /, "☑ "))));
  return number ? el("ol", { start }, ...nodes) : el("ul", {}, ...nodes);
}

function table(lines) {
  const rightAligned = cells(lines[1]).map((rule) => /[^:]:$/.test(rule));
  const row = (line, tag) =>
    el("tr", {}, ...cells(line).map((text, at) => el(tag, { class: rightAligned[at] ? "number" : null }, ...inline(text))));
  return el(
    "div",
    { class: "table", tabindex: "0" },
    el("table", {}, el("thead", {}, row(lines[0], "th")), el("tbody", {}, ...lines.slice(2).map((line) => row(line, "td")))),
  );
}

function cells(line) {
  return line.trim().replace(/^\|/, "").replace(/\|$/, "").split("|").map((text) => text.trim());
}

function inline(text) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(text.slice(at, found.index));
    const [whole, , codeText, bold, label, url] = found;
    if (codeText !== undefined) nodes.push(el("code", {}, codeText));
    else if (bold !== undefined) nodes.push(el("strong", {}, bold));
    else nodes.push(el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label));
    at = found.index + whole.length;
  }
  nodes.push(text.slice(at));
  return nodes;
}
