// @vitest-environment jsdom
import { describe, expect, it, vi } from 'vitest';
import { MarkdownStream } from '../src/answer/markdown';
import type { Services } from '../src/answer/services';

vi.stubGlobal('ResizeObserver', class { observe(): void {} disconnect(): void {} });
vi.spyOn(Element.prototype, 'getClientRects').mockReturnValue([{}] as unknown as DOMRectList); // jsdom has no layout

async function drawn(text: string, typeset: Services['typeset'], paints = 60): Promise<HTMLElement> {
  let wake = false;
  const services: Services = {
    render: (markdown, node) => {
      for (const paragraph of markdown.trim().split('\n\n')) {
        node.append(Object.assign(document.createElement('p'), { textContent: paragraph }));
      }
    },
    typeset,
    copy: async () => undefined
  };
  const stream = new MarkdownStream(services, () => (wake = true));
  document.body.append(stream.node);
  stream.push(text);
  stream.finish();
  for (let i = 0, more = true; i < paints && (more || wake); i++) {
    wake = false;
    more = await stream.paint(performance.now() + 5);
    await Promise.resolve();
  }
  return stream.node;
}

describe('formulas', () => {
  it('are set a few at a time, each once, and no text is lost', async () => {
    const text = `${'Where $a_i$ is, there $b_i$ costs '.repeat(20)}and that is $c$.`;
    const parts: string[] = [];
    const node = await drawn(text, part => void parts.push(part.textContent!));
    expect(node.textContent).toBe(text);
    expect(parts.join('')).toBe(text);
    expect(Math.max(...parts.map(part => part.split('$').length - 1))).toBeLessThanOrEqual(8);
  });

  it('do not make text wait while the host loads what sets them', async () => {
    const never = vi.fn(() => new Promise<void>(() => undefined));
    const node = await drawn('One $a$.\n\nTwo $b$.\n\nThree.', never);
    expect([...node.querySelectorAll('p')].map(p => p.textContent)).toEqual(['One $a$.', 'Two $b$.', 'Three.']);
    expect(never).toHaveBeenCalledTimes(1);
  });

  it('whose marks do not match are left to the host as they are', async () => {
    const parts: string[] = [];
    await drawn(`${'a $ b '.repeat(31)}end`, part => void parts.push(part.textContent!));
    expect(parts.join('').split('$')).toHaveLength(32);
  });
});
