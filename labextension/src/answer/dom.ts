/** Elements made by hand: all text from data becomes text nodes, never markup. */

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  if (className) {
    node.className = className;
  }
  node.append(...children);
  return node;
}

export function button(className: string, label: string, onClick: () => void): HTMLButtonElement {
  const node = el('button', className, label);
  node.type = 'button';
  node.addEventListener('click', event => {
    event.stopPropagation();
    onClick();
  });
  return node;
}

/** Set text only where it changed, so that a ticking clock does not disturb selections and layout. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** A line of plain text in which `code` between backticks is set as code. */
export function withCode(text: string): (Node | string)[] {
  return text.split(/(`[^`\n]+`)/).map(part => (/^`.+`$/.test(part) ? el('code', '', part.slice(1, -1)) : part));
}

/** A link that opens apart and tells nothing of where it was clicked; other schemes than http(s) stay text. */
export function link(url: string, label: string): Node {
  if (!/^https?:\/\//i.test(url)) {
    return document.createTextNode(label);
  }
  const node = el('a', '', label);
  node.href = url;
  node.target = '_blank';
  node.rel = 'noopener noreferrer';
  return node;
}

export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return '';
  }
}
