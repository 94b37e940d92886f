// Server-sent events of the stream, with a token where one is needed: EventSource cannot send headers.

import { authorization, sleep } from './whep.js';

/** Calls `receive(name, data)` for each event, for ever; `lost()` whenever the server is away. */
export async function follow(token, receive, lost) {
  for (;;) {
    try {
      const answer = await fetch(new URL('api/events', document.baseURI), { headers: authorization(token), cache: 'no-store' });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      await read(answer.body, receive);
    } catch { /* tried again below */ }
    lost();
    await sleep(1000);
  }
}

async function read(body, receive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (text + value).replaceAll('\r\n', '\n').split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const field = (name) => block.split('\n').filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trimStart()).join('\n');
      if (field('data')) receive(field('event') || 'message', JSON.parse(field('data')));
    }
  }
}
