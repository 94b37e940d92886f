// One rendition shown in one <video>: a WHEP session that is made again whenever it breaks, and made anew beside the one
// that plays when the stream moves.

const FIRST_PAUSE = 200, LONGEST_PAUSE = 2000; // ms
const SILENCE = 2000; // ms without a packet until the session counts as broken
const LOOK = 100; // ms between looks at a session
const MOVE_TRIES = 30; // a try each LOOK

/** Sessions to end when the page is closed. */
const open = new Set();
addEventListener('pagehide', () => open.forEach((session) => session.end()));

let moves = 0, movedTo = '';

/** The stream moves to `url`, a reference: all sessions follow, and play on until their successors have a picture. */
export function move(url) {
  moves += 1;
  movedTo = url;
}

/**
 * Shows `rendition` in `video`, for ever. `say(text)` gets what to tell people, '' when the picture is there.
 * URLs are relative to the page, so that it works under any path prefix.
 */
export async function watch(rendition, video, token, say) {
  const home = new URL(`whep?rendition=${rendition}`, document.baseURI);
  const stream = video.srcObject = new MediaStream();
  for (let pause = FIRST_PAUSE; ; ) {
    let outcome;
    try {
      let session = await Session.begin(home, token);
      while (session) {
        session.show(stream);
        if (await session.play(say)) pause = FIRST_PAUSE;
        const next = session.broken ? undefined : await successor(session, token);
        session.end();
        session = next;
      }
      outcome = { say: 'The connection broke. Trying again …' };
    } catch (error) {
      outcome = error instanceof Refusal ? refusal(rendition, error) : { say: String(error.message || error) };
    }
    say(outcome.say);
    await sleep(outcome.retryAfter ?? pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

/** A session with a picture where `session` moves to, before that one ends; undefined when there is none in time. */
async function successor(session, token) {
  const url = new URL(movedTo, session.url);
  for (let tries = 0; tries < MOVE_TRIES && !session.broken; tries += 1) {
    const next = await Session.begin(url, token).catch(() => undefined);
    if (next && await next.hasPicture()) return next;
    next?.end();
    await sleep(LOOK);
  }
}

class Refusal {
  constructor({ status, headers }) {
    this.status = status;
    this.retryAfter = 1000 * (Number(headers.get('retry-after')) || 2);
  }
}

class Session {
  broken = false;
  #peer = new RTCPeerConnection();
  #tracks = [];
  #moves = moves;
  #resource;
  #token;

  static async begin(url, token) {
    const session = new Session(url, token);
    try {
      await session.#negotiate();
    } catch (error) {
      session.end();
      throw error;
    }
    return session;
  }

  constructor(url, token) {
    this.url = url;
    this.#token = token;
    open.add(this);
  }

  async #negotiate() {
    const peer = this.#peer;
    peer.addTransceiver('video', { direction: 'recvonly' });
    peer.addTransceiver('audio', { direction: 'recvonly' });
    peer.ontrack = ({ track }) => this.#tracks.push(track);
    await peer.setLocalDescription();
    const headers = { 'content-type': 'application/sdp', ...authorization(this.#token) };
    const answer = await fetch(this.url, { method: 'POST', headers, body: peer.localDescription.sdp });
    if (answer.status !== 201) throw new Refusal(answer);
    this.#resource = new URL(answer.headers.get('location'), this.url);
    await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  }

  /** In place of what `stream` showed before: it goes on without a blank picture. */
  show(stream) {
    const before = stream.getTracks();
    this.#tracks.forEach((track) => stream.addTrack(track));
    before.forEach((track) => stream.removeTrack(track));
  }

  /** Returns when the session is broken or the stream moves: whether anything was played. */
  async play(say) {
    let packets = 0, heard = performance.now();
    for (;;) {
      await sleep(LOOK);
      const received = (await this.#video()).packetsReceived;
      if (received !== packets) {
        if (packets === 0) say('');
        packets = received;
        heard = performance.now();
      }
      this.broken = this.#isClosed() || performance.now() - heard > SILENCE;
      if (this.broken || this.#moves !== moves) return packets > 0;
    }
  }

  async hasPicture() {
    const begun = performance.now();
    while (!this.#isClosed() && performance.now() - begun < SILENCE) {
      if ((await this.#video()).framesDecoded > 0) return true;
      await sleep(LOOK / 2);
    }
    return false;
  }

  end() {
    this.#peer.close();
    if (!open.delete(this) || !this.#resource) return;
    fetch(this.#resource, { method: 'DELETE', headers: authorization(this.#token), keepalive: true }).catch(() => {});
  }

  /** Also when the server has said goodbye, which changes no state of the peer connection itself. */
  #isClosed() {
    const transport = this.#peer.getReceivers()[0]?.transport?.state;
    return ['failed', 'closed'].includes(this.#peer.connectionState) || ['failed', 'closed'].includes(transport);
  }

  async #video() {
    const report = [...(await this.#peer.getStats()).values()];
    const video = report.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video');
    return video ?? { packetsReceived: 0, framesDecoded: 0 };
  }
}

function refusal(rendition, { status, retryAfter }) {
  switch (status) {
    case 401: case 403: return { say: 'This stream needs a token: open the page as …/#token=TOKEN', retryAfter: 10000 };
    case 404: case 409: return { say: nothingToShow(rendition), retryAfter };
    case 503: return { say: 'The stream is just starting or full. Trying again …', retryAfter };
    default: return { say: `The server answered ${status}. Trying again …`, retryAfter };
  }
}

function nothingToShow(rendition) {
  if (rendition === 'enhanced') return 'Nothing is enhanced yet.';
  return `Nothing is published yet. For example:\nacuity publish FILE --whip ${new URL('whip', document.baseURI)}`;
}

export function authorization(token) {
  return token ? { authorization: `Bearer ${token}` } : {};
}

export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
