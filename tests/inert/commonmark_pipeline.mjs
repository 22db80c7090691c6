// Markdown as GitHub and VS Code read it (CommonMark with tables, strikethrough and bare addresses), with nothing sanitised:
// markdown-it, raw HTML on, every address allowed. Reads JSON strings, one a line, and writes JSON strings.
import { createInterface } from 'node:readline';
import MarkdownIt from 'markdown-it';

const parser = new MarkdownIt({ html: true, linkify: true });
parser.validateLink = () => true;

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(parser.render(JSON.parse(line))) + '\n');
}
