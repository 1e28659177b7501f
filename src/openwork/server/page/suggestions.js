// Tasks that the demo plays. The same titles and prompts as the demo's own list; a test compares them.

export const SUGGESTIONS = [
  { "title": "A plain answer", "prompt": "Explain what net 30 payment terms mean" },
  { "title": "A plan", "prompt": "Plan the follow-up from the meeting notes" },
  { "title": "A file, with permission", "prompt": "Summarise the expenses of the quarter in summary.md" },
  { "title": "A command, with permission", "prompt": "List the open invoices and what is due" }
];

/** Whether the engine's model (`provider/model`) is the demo's. */
export function isDemo(model) {
  return typeof model === "string" && model.startsWith("openwork-demo/");
}
