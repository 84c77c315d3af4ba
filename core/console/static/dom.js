// Elements without markup in strings: what a peer named itself can only ever be text.

/** Makes an element: properties, or attributes where the name has a dash; then children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Sets the text of an element, if it is another one: so nothing is selected or read out anew. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A line of text to be copied, with its button. */
export function copyable(label, text) {
  const code = make("code", { textContent: text });
  const button = make("button", { type: "button", className: "quiet", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy ${label}`);
  const done = make("span", { className: "unseen", role: "status" });
  button.addEventListener("click", async () => {
    const copied = await copy(code);
    button.textContent = copied ? "Copied" : "Press Ctrl-C";
    done.textContent = copied ? `${label} copied` : "Selected; press Ctrl-C to copy";
    setTimeout(() => { button.textContent = "Copy"; done.textContent = ""; }, 2000);
  });
  const row = make("div", { className: "copy" },
    make("span", { className: "copy-label", textContent: label }), code, button, done);
  return { row, set: (other) => say(code, other) };
}

/** The clipboard is for secure pages only; elsewhere the text is selected and copied as of old. */
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    }
  }
}
